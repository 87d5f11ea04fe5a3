/** What is wrong with one field, as the server says it. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

export interface ErrorDetails {
  /** HTTP status; 0 where there was no HTTP answer. */
  readonly status?: number;
  readonly errors?: readonly FieldError[];
  /** Milliseconds that the server asks to wait, by `Retry-After`. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/** The same symbol in every copy of the client: a page may load it from the server and bundle it besides. */
const TABLECAST_ERROR: unique symbol = Symbol.for('tablecast.TablecastError');

/**
 * Everything that fails. `code` is the server's (PROTOCOL.md §6), or the client's own: `NETWORK`, `TIMEOUT`, `ABORTED`,
 * `CLOSED`, `BUFFER_FULL`, `PROTOCOL`, `NO_WEBSOCKET`.
 */
export class TablecastError extends Error {
  override readonly name = 'TablecastError';
  readonly code: string;
  readonly status: number;
  readonly errors: readonly FieldError[];
  readonly retryAfter: number | undefined;

  constructor(code: string, message: string, { status = 0, errors = [], retryAfter, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: the class that stands on the right of instanceof
    if (this !== TablecastError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return value instanceof Error && TABLECAST_ERROR in value;
  }

  get [TABLECAST_ERROR](): true {
    return true;
  }
}

/** Whatever was thrown, as an error of this client. */
export function asError(thrown: unknown, code = 'NETWORK'): TablecastError {
  if (thrown instanceof TablecastError) return thrown;
  return new TablecastError(code, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}

/** The error that an HTTP answer tells (RFC 9457 problem details, or anything else). */
export async function errorOf(response: Response): Promise<TablecastError> {
  const { status, headers } = response;
  const problem = (await response.json().catch(() => undefined)) as
    | Readonly<Record<string, unknown>>
    | null
    | undefined;
  const { code = `HTTP_${status}`, detail, title, error, errors } = problem ?? {};
  const message = detail ?? title ?? error ?? `The server answered ${status}.`;
  return new TablecastError(String(code), String(message), {
    status,
    ...(Array.isArray(errors) && { errors }),
    ...retryAfterOf(headers.get('retry-after')),
  });
}

/** `Retry-After` (RFC 9110 §10.2.3): seconds, or a date. */
function retryAfterOf(text: string | null): { retryAfter?: number } {
  if (text === null) return {};
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(wait) ? {} : { retryAfter: Math.max(0, wait) };
}
