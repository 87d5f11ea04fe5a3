import { AppError, type ErrorCode, internalError } from '../../errors.ts';
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

/** Converts a hook's result to an error. Throws for one that is not a refusal: `false` must not admit the request. */
export function toRefusal(returned: unknown): AppError {
  const { status, error } = (typeof returned === 'object' ? returned : {}) as Partial<Refusal>;
  const code = typeof status === 'number' ? CODES.get(status) : undefined;
  if (code === undefined || typeof error !== 'string') {
    throw new TypeError(`a before hook returns nothing, or { status: ${[...CODES.keys()].join(' | ')}, error: text }`);
  }
  return new AppError(code, error);
}

/** Converts an error of the application's code to the answer. Reports an error that is not meant for the client. */
export function toFailure(error: unknown, { showsDetails, onError }: FailureScope): AppError {
  if (error instanceof AppError) return error;
  onError(error);
  const message = showsDetails ? messageOf(error) : internalError().message;
  return new AppError('HANDLER_ERROR', message, { cause: error });
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  // Converting other values to strings may fail.
  return typeof error === 'string' ? error : `a handler has thrown something that is not an error (${typeof error})`;
}
