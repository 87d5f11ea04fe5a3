/** Error of one field in the server's response. `field` is its path, such as `address.city`. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

export interface ErrorDetails {
  /** HTTP status; 0 without an HTTP response. */
  readonly status?: number;
  readonly errors?: readonly FieldError[];
  /** Milliseconds until a retry, from `Retry-After`. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/** Registered symbol, the same in every copy of the client: a page may load one from the server and bundle another. */
const TABLECAST_ERROR: unique symbol = Symbol.for('tablecast.TablecastError');

/**
 * Error of every failed operation. `code` is a code of the server (PROTOCOL.md §6) or of the client: `NETWORK`, `TIMEOUT`,
 * `ABORTED`, `CLOSED`, `BUFFER_FULL`, `PROTOCOL`, `CALLBACK_FAILED`, `NO_WEBSOCKET`.
 *
 * @example
 * ```ts
 * // page.ts
 * import { connect, TablecastError } from 'tablecast/client';
 *
 * const { tables } = connect('https://example.com/my-app');
 * try {
 *   await tables.Task?.get('missing');
 * } catch (error) {
 *   if (!(error instanceof TablecastError) || error.code !== 'NOT_FOUND') throw error;
 *   console.log(`${error.status}: no such task`);
 * }
 * ```
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

/** Converts a thrown value to an error of this client. */
export function asError(thrown: unknown, code = 'NETWORK'): TablecastError {
  if (thrown instanceof TablecastError) return thrown;
  return new TablecastError(code, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}

/** Makes the error for what is used after its end: a connection, a subscription, a list. */
export function closedError(what = 'connection'): TablecastError {
  return new TablecastError('CLOSED', `The ${what} is closed.`);
}

/** Problem details: PROTOCOL.md §3 and §7.8. */
export interface Problem {
  readonly code?: unknown;
  readonly title?: unknown;
  readonly detail?: unknown;
  readonly error?: unknown;
  readonly status?: number;
  readonly errors?: unknown;
}

/** Converts problem details to an error; `details` are those of their HTTP response. */
export function problemError(problem: Problem | null = {}, details?: ErrorDetails): TablecastError {
  const { code, detail, title, error, status = 0, errors } = problem ?? {};
  const answered = details?.status;
  return new TablecastError(
    String(code ?? (answered === undefined ? 'PROTOCOL' : `HTTP_${answered}`)),
    String(detail ?? title ?? error ?? `The server answered ${answered ?? 'with an error'}.`),
    { status, ...(Array.isArray(errors) && { errors }), ...details },
  );
}
