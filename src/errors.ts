/**
 * Failures that a client can receive: code, HTTP status and title. A code is never reused for
 * something else; `test/errors.test.ts` holds this table equal to the one in PROTOCOL.md.
 */
export const ERRORS = {
  BAD_REQUEST: { status: 400, title: 'Malformed request' },
  INVALID_JSON: { status: 400, title: 'Body is not valid JSON' },
  INVALID_CONTENT: { status: 400, title: 'Body or message is not valid in its content type' },
  INVALID_MESSAGE: { status: 400, title: 'Message is not one that the channel accepts' },
  INVALID_QUERY: { status: 400, title: 'Query parameters are not valid' },
  SCAN_TOO_LARGE: { status: 400, title: 'The query would look at too many records' },
  TOO_MANY_GROUPS: { status: 400, title: 'The query makes too many groups' },
  INVALID_ID: { status: 400, title: 'Id is not valid' },
  INVALID_POSITION: { status: 400, title: 'Position is not a seq' },
  VALIDATION_ERROR: { status: 400, title: 'Record does not match the schema' },
  TOO_DEEP: { status: 400, title: 'JSON is nested too deeply' },
  TOO_WIDE: { status: 400, title: 'JSON object has too many keys' },
  UNAUTHORIZED: { status: 401, title: 'Credentials needed' },
  INVALID_CREDENTIALS: { status: 401, title: 'Credentials are not accepted' },
  FORBIDDEN: { status: 403, title: 'Not allowed' },
  FORBIDDEN_ORIGIN: { status: 403, title: 'Page of another origin' },
  HOOK_REFUSED: { status: 403, title: 'Refused by the application' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed here' },
  NOT_ACCEPTABLE: { status: 406, title: 'No acceptable representation' },
  REQUEST_TIMEOUT: { status: 408, title: 'Request took too long' },
  CONFLICT: { status: 409, title: 'Conflicts with a stored record' },
  IDEMPOTENCY_IN_PROGRESS: { status: 409, title: 'The same request is being handled' },
  PRECONDITION_FAILED: { status: 412, title: 'Record has changed' },
  BODY_TOO_LARGE: { status: 413, title: 'Body is too large' },
  URL_TOO_LONG: { status: 414, title: 'URL is too long' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'Media type is not supported' },
  RANGE_NOT_SATISFIABLE: { status: 416, title: 'Range is beyond the end' },
  EXPECTATION_FAILED: { status: 417, title: 'Expectation cannot be met' },
  MISDIRECTED: { status: 421, title: 'Not served under this name' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'Key was used with another request' },
  UPGRADE_REQUIRED: { status: 426, title: 'WebSocket version 13 is required' },
  RATE_LIMITED: { status: 429, title: 'Too many requests or messages' },
  TOO_MANY_CONNECTIONS: { status: 429, title: 'Too many open connections' },
  TOO_MANY_ATTEMPTS: { status: 429, title: 'Too many attempts have failed' },
  HEADERS_TOO_LARGE: { status: 431, title: 'Header fields are too large' },
  INTERNAL: { status: 500, title: 'Internal error' },
  HOOK_FAILED: { status: 500, title: 'Code of the application has failed' },
  HANDLER_ERROR: { status: 500, title: 'Handler of a route has failed' },
  FLOW_FAILED: { status: 502, title: 'Flow has failed' },
  SLOW_CLIENT: { status: 503, title: 'Stream made no progress' },
  OVERLOADED: { status: 503, title: 'Too busy' },
  KEYS_UNAVAILABLE: { status: 503, title: 'Tokens cannot be checked at the moment' },
  STOPPING: { status: 503, title: 'Server is stopping' },
  STORAGE_BUSY: { status: 503, title: 'Storage is held by another process' },
  STORAGE_FULL: { status: 503, title: 'Storage is full or read-only' },
  STORAGE_MOVED: { status: 503, title: 'Data directory is not in its place' },
  OUTCOME_UNKNOWN: { status: 504, title: 'Not known whether the change was made' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Wrong member of a record or message: `field` is its path (`address.city`, `tags[2]`, `[3].title`). */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

export interface ErrorOptions {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
  /** Index of the step of a transaction that failed. */
  readonly step?: number | undefined;
}

/** Symbol that all copies of the package share. */
const APP_ERROR: unique symbol = Symbol.for('tablecast.AppError');

/**
 * Expected error, which the client receives with its code and message. Any other thrown value is an internal error: the client
 * receives 500 without details.
 *
 * @example
 * ```ts
 * // my-app/routes/finish.ts
 * import { AppError, defineRoute } from 'tablecast';
 *
 * export const routes = {
 *   'tasks/:id/finish': defineRoute({
 *     method: 'POST',
 *     handler: async ({ tables, params: { id = '' } }) => {
 *       const task = await tables.Task.get(id);
 *       if (task?.done) throw new AppError('CONFLICT', `Task ${id} is finished already.`);
 *       return tables.Task.patch(id, { done: true });
 *     },
 *   }),
 * };
 * ```
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly step: number | undefined;

  /**
   * @param code one of `ERRORS`; decides the HTTP status
   * @param message sentence for the client
   * @param options field errors, response headers and cause. A 503 has `Retry-After: 1` unless `headers` are given.
   */
  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.errors = options.errors;
    this.step = options.step;
    this.headers = options.headers ?? (ERRORS[code].status === 503 ? { 'retry-after': '1' } : {});
  }

  /**
   * True for errors of another copy of the package, which an application may have installed, unless that copy has a
   * code that this one lacks.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass inherits this method and recognises only its own instances.
    // biome-ignore lint/complexity/noThisInStatic: the class that stands on the right of instanceof
    if (this !== AppError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return value instanceof Error && APP_ERROR in value && Object.hasOwn(ERRORS, (value as AppError).code);
  }

  get [APP_ERROR](): true {
    return true;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** Makes a VALIDATION_ERROR for one invalid property of a record or message, with its path and the reason. */
export function invalidField(field: string, message: string): AppError {
  const detail = field === '' ? message : `${field}: ${message}`;
  return new AppError('VALIDATION_ERROR', detail, { errors: [{ field, message }] });
}

/** NOT_FOUND for a record that does not exist, or that the caller may not read. */
export function recordNotFound(id: unknown): AppError {
  return new AppError('NOT_FOUND', `There is no record with the id ${JSON.stringify(id)}.`);
}

/** PRECONDITION_FAILED for a record that is at `seq`; undefined when there is no record. */
export function conditionFailed(seq: number | undefined): AppError {
  const found = seq === undefined ? 'the record does not exist' : `the record is at "${seq}"`;
  return new AppError('PRECONDITION_FAILED', `The condition of the request does not hold: ${found}.`);
}

/** INTERNAL for an unexpected failure, which the log describes and the client must not see. */
export function internalError(cause?: unknown): AppError {
  return new AppError('INTERNAL', 'Internal error; it has been logged.', { cause });
}

/** STOPPING for a request that arrives while the server shuts down. */
export function stoppingError(options?: ErrorOptions): AppError {
  return new AppError('STOPPING', 'The server is stopping.', options);
}

/** RFC 9457 problem details, with a `code`, the plain `error` sentence and, for an invalid record, `errors`; for a transaction the `step`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly error: string;
  readonly errors?: readonly FieldError[];
  /** Index of the step of a transaction that failed. */
  readonly step?: number;
}

export function makeProblem(error: AppError): Problem {
  const problem = {
    type: `urn:tablecast:error:${error.code}`,
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    error: error.message,
  };
  return {
    ...problem,
    ...(error.errors === undefined ? {} : { errors: error.errors }),
    ...(error.step === undefined ? {} : { step: error.step }),
  };
}
