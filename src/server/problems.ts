import type { FastifyReply, FastifyRequest } from 'fastify';
import { unauthorized } from '../auth/auth-errors.ts';
import { AppError, ERRORS, type ErrorCode, internalError, makeProblem } from '../errors.ts';
import { TAKEN_TYPES } from './body.ts';
import { describeRequest, type Log } from './operations/log.ts';
import { NEVER_KEPT } from './response-headers.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Codes and messages for errors of Node and Fastify, by their codes. */
const KNOWN: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['BODY_TOO_LARGE', 'The body is larger than limits.body allows.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['UNSUPPORTED_MEDIA_TYPE', TAKEN_TYPES],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['BAD_REQUEST', 'The body is not as long as Content-Length says.'],
  FST_ERR_BAD_URL: ['BAD_REQUEST', 'The path is not valid percent-encoding.'],
  FST_ERR_MAX_PARAM_LENGTH: ['URL_TOO_LONG', 'The id is longer than limits.url allows.'],
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'The header fields are larger than limits.headers allows.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'The request did not arrive in time.'],
};

/** Codes and messages for errors of the static files plugin, by status: they have no codes. */
const FILE_ERRORS: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  412: ['PRECONDITION_FAILED', 'The file has changed.'],
  416: ['RANGE_NOT_SATISFIABLE', 'The file ends before this range.'],
};

/** Converts any error to the one that the client receives. An unexpected error is INTERNAL and reveals no details. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = KNOWN[code];
  if (known !== undefined) return new AppError(...known);
  if (code.startsWith('HPE_')) return new AppError('BAD_REQUEST', 'This is not valid HTTP.');
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  const fileError = FILE_ERRORS[status];
  if (fileError !== undefined) return new AppError(...fileError, { headers: rangeOf(error) });
  if (status >= 400 && status < 500) return new AppError('BAD_REQUEST', 'The request is not valid.');
  return internalError(error);
}

/** Returns `Content-Range` with the length of the file (RFC 9110 §14.4). */
function rangeOf(error: unknown): Readonly<Record<string, string>> {
  const { headers } = error as { readonly headers?: Readonly<Record<string, unknown>> };
  const range = headers?.['Content-Range'];
  return typeof range === 'string' ? { 'content-range': range } : {};
}

/** Sends an error as problem details (RFC 9457). */
export function sendProblem(reply: FastifyReply, error: AppError): FastifyReply {
  return (
    reply
      .code(ERRORS[error.code].status)
      // Caches store some of them by default (404, 405, 414), and would serve them after the address exists.
      .header('cache-control', NEVER_KEPT)
      .headers(error.headers)
      .header('content-type', PROBLEM_TYPE)
      .send(JSON.stringify(makeProblem(error)))
  );
}

/** Turns FORBIDDEN into UNAUTHORIZED for an anonymous caller: it may be allowed with credentials (RFC 9110 §15.5.2). */
function forCaller({ identity }: FastifyRequest, failure: AppError): AppError {
  return failure.code === 'FORBIDDEN' && identity?.type === 'anonymous' ? unauthorized(failure.message) : failure;
}

export type ErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/** Makes the server's only error handler: every error of a request ends here. */
export function makeErrorHandler(log: Log): ErrorHandler {
  return (error, request, reply) => {
    const failure = forCaller(request, toAppError(error));
    if (failure.code === 'INTERNAL') log.error({ err: error, ...describeRequest(request) }, 'request failed');
    // The rest of a body that is too large is not read.
    if (failure.code === 'BODY_TOO_LARGE') reply.header('connection', 'close');
    sendProblem(reply, failure);
  };
}
