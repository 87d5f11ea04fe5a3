import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { AppError, type ErrorCode } from '../../errors.ts';
import { ignoreEmptyBody, MERGE_PATCH } from '../../server/body.ts';
import { MEDIA_TYPES } from '../../server/content/formats.ts';
import { toAppError } from '../../server/problems.ts';
import { explainWeakTag } from './response.ts';

/** Content types of PATCH, for `Accept-Patch` (RFC 5789 §3.1). */
const PATCH_TYPES: string = [
  MEDIA_TYPES.json.names[0],
  MERGE_PATCH,
  MEDIA_TYPES.cbor.names[0],
  MEDIA_TYPES.msgpack.names[0],
].join(', ');

/** Content types of QUERY, for `Accept-Query` (RFC 10008). */
export const QUERY_TYPES: string = ['application/x-www-form-urlencoded', MEDIA_TYPES.json.names[0]].join(', ');

type RouteErrorHandler = (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void;

// The error handlers end with `send`: the server's own handler answers the error.
const sendExplained: RouteErrorHandler = (error, request, reply) => {
  reply.send(explainWeakTag(error, request));
};

/** Lists the content types of PATCH in the refusal of another one. */
function namingTypes(send: RouteErrorHandler): RouteErrorHandler {
  return (error, request, reply) => {
    if (toAppError(error).code === 'UNSUPPORTED_MEDIA_TYPE') reply.header('accept-patch', PATCH_TYPES);
    send(error, request, reply);
  };
}

/** Lists the content types of QUERY in the refusal of another one, or of none (RFC 10008: then the query is malformed). */
const namingQueryTypes: RouteErrorHandler = (error, _request, reply) => {
  const { code } = toAppError(error);
  if (error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE' || code === 'UNSUPPORTED_MEDIA_TYPE')
    reply.header('accept-query', QUERY_TYPES);
  reply.send(explainQuery(error, code));
};

function explainQuery(error: FastifyError, code: ErrorCode): FastifyError | AppError {
  if (error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE')
    return new AppError('BAD_REQUEST', `A QUERY has a Content-Type: ${QUERY_TYPES}.`);
  if (code === 'BODY_TOO_LARGE') return new AppError(code, 'The query is larger than limits.query allows.');
  if (code !== 'UNSUPPORTED_MEDIA_TYPE') return error;
  return new AppError(code, `Send the query as ${QUERY_TYPES}, without a Content-Encoding.`);
}

const REST = { constraints: { transport: 'rest' } };
/** Fastify's own HEAD would describe a 304 with `Content-Length: 0`. */
const READ = { method: ['HEAD', 'GET'] };
const PATCH = { config: { acceptPatch: PATCH_TYPES } };
const REMOVE = { onRequest: ignoreEmptyBody };

/** Options of the routes of a table. */
export const TABLE_ROUTES = {
  read: { ...REST, ...READ },
  query: { ...REST, config: { acceptQuery: QUERY_TYPES }, errorHandler: namingQueryTypes },
  write: REST,
  patch: { ...REST, ...PATCH, errorHandler: namingTypes((error, _request, reply) => void reply.send(error)) },
  remove: { ...REST, ...REMOVE },
};

const RECORD = { ...REST, errorHandler: sendExplained };

/** Options of the routes of a record. */
export const RECORD_ROUTES = {
  read: { ...RECORD, ...READ },
  write: RECORD,
  patch: { ...RECORD, ...PATCH, errorHandler: namingTypes(sendExplained) },
  remove: { ...RECORD, ...REMOVE },
};
