import { AppError, type ErrorCode } from '../../errors.ts';
import type { Refusal } from './define.ts';

const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [400, 'BAD_REQUEST'],
  [401, 'UNAUTHORIZED'],
  [403, 'FORBIDDEN'],
  [404, 'NOT_FOUND'],
  [405, 'METHOD_NOT_ALLOWED'],
  [406, 'NOT_ACCEPTABLE'],
  [409, 'CONFLICT'],
  [412, 'PRECONDITION_FAILED'],
  [413, 'BODY_TOO_LARGE'],
  [415, 'UNSUPPORTED_MEDIA_TYPE'],
  [429, 'RATE_LIMITED'],
  [503, 'OVERLOADED'],
]);

export interface FailureScope {
  readonly showsDetails: boolean;
  readonly onError: (error: unknown) => void;
}

/** The refusal that a hook has returned, as an error. Throws when it is none: whoever meant `false` must not let pass. */
export function toRefusal(returned: unknown): AppError {
  const { status, error } = (typeof returned === 'object' ? returned : {}) as Partial<Refusal>;
  const code = typeof status === 'number' ? CODES.get(status) : undefined;
  if (code === undefined || typeof error !== 'string') {
    throw new TypeError(`a before hook returns nothing, or { status: ${[...CODES.keys()].join(' | ')}, error: text }`);
  }
  return new AppError(code, error);
}

/** What was thrown in code of the application, as its client is told. What is not meant for him is logged. */
export function toFailure(error: unknown, { showsDetails, onError }: FailureScope): AppError {
  if (error instanceof AppError) return error;
  onError(error);
  const message = showsDetails ? describe(error) : 'Something went wrong on our side; it has been logged.';
  return new AppError('HANDLER_ERROR', message, { cause: error });
}

function describe(error: unknown): string {
  if (error instanceof Error) return error.message;
  // Not everything can be made a text.
  return typeof error === 'string' ? error : `a handler has thrown what is no error (${typeof error})`;
}
