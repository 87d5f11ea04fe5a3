import type { FastifyReply, FastifyRequest } from 'fastify';
import { unauthorized } from '../auth/auth-errors.ts';
import { AppError, ERRORS, type ErrorCode, makeProblem } from '../errors.ts';
import { TAKEN_TYPES } from './body.ts';
import { NEVER_KEPT } from './cache-control.ts';
import { describeRequest, type Log } from './operations/log.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Errors of the HTTP layer, by their own names, as ours. */
const KNOWN: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['BODY_TOO_LARGE', 'The body is larger than limits.body allows.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['UNSUPPORTED_MEDIA_TYPE', TAKEN_TYPES],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['BAD_REQUEST', 'The body is not as long as Content-Length says.'],
  FST_ERR_BAD_URL: ['BAD_REQUEST', 'The path is not valid percent-encoding.'],
  FST_ERR_MAX_PARAM_LENGTH: ['URL_TOO_LONG', 'The id is longer than limits.url allows.'],
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'The header fields are larger than limits.headers allows.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'The request did not arrive in time.'],
};

/** Errors of the static files, which have no names. */
const OF_FILES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  412: ['PRECONDITION_FAILED', 'The file has changed.'],
  416: ['RANGE_NOT_SATISFIABLE', 'The file ends before this range.'],
};

/** The failure as the client is to see it. What is not expected is a bug of ours and tells nothing. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = KNOWN[code];
  if (known !== undefined) return new AppError(...known);
  if (code.startsWith('HPE_')) return new AppError('BAD_REQUEST', 'This is not valid HTTP.');
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  const ofFile = OF_FILES[status];
  if (ofFile !== undefined) return new AppError(...ofFile, { headers: rangeOf(error) });
  if (status >= 400 && status < 500) return new AppError('BAD_REQUEST', 'The request is not valid.');
  return new AppError('INTERNAL', 'Something went wrong on our side; it has been logged.', { cause: error });
}

/** How long the file is (RFC 9110 §14.4). */
function rangeOf(error: unknown): Readonly<Record<string, string>> {
  const { headers } = error as { readonly headers?: Readonly<Record<string, unknown>> };
  const range = headers?.['Content-Range'];
  return typeof range === 'string' ? { 'content-range': range } : {};
}

/** Answers with RFC 9457 problem details. */
export function sendProblem(reply: FastifyReply, error: AppError): FastifyReply {
  return (
    reply
      .code(ERRORS[error.code].status)
      // A cache would keep some of them by itself (404, 405, 414), and go on with them when there is something.
      .header('cache-control', NEVER_KEPT)
      .headers(error.headers)
      .header('content-type', PROBLEM_TYPE)
      .send(JSON.stringify(makeProblem(error)))
  );
}

/** Somebody who has not said who he is, though he could, may be allowed once he does (RFC 9110 §15.5.2). */
function toldTo({ identity }: FastifyRequest, failure: AppError): AppError {
  return failure.code === 'FORBIDDEN' && identity?.type === 'anonymous' ? unauthorized(failure.message) : failure;
}

export type ErrorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/** The server's one error handler: everything that is thrown on the way of a request ends here. */
export function makeErrorHandler(log: Log): ErrorHandler {
  return (error, request, reply) => {
    const failure = toldTo(request, toAppError(error));
    if (failure.code === 'INTERNAL') log.error({ err: error, ...describeRequest(request) }, 'request failed');
    // The rest of a body that is too large or cannot be read is not worth waiting for.
    if (failure.code === 'BODY_TOO_LARGE') reply.header('connection', 'close');
    sendProblem(reply, failure);
  };
}
