import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError, recordNotFound } from '../../errors.ts';
import { parseKey } from '../../resources/key.ts';
import type { Column, FoundRecord } from '../../resources/table/types.ts';
import { listMethods } from '../../server/checks/known-methods.ts';
import { type Content, VARY } from '../../server/content/content.ts';
import { identityOf, queryOf } from '../../server/request.ts';
import { cacheControlFor } from '../../server/response-headers.ts';
import type { RecordKey, WriteOutcome } from '../../store/store.ts';
import type { Endpoint } from '../endpoint.ts';
import { patchRecord } from './merge-patch.ts';
import {
  atPosition,
  beginRequest,
  cachedTag,
  checkMatch,
  checkStreamParameter,
  idempotencyKeyOf,
  oneBody,
  optionsOf,
  publishes,
  type RequestContext,
  refusePrecondition,
  refuseQuery,
} from './request.ts';
import {
  etagOf,
  markReplayed,
  movedOn,
  type ResponseBody,
  respond,
  respondEmpty,
  respondPublished,
  respondWritten,
} from './response.ts';
import { RECORD_ROUTES } from './route-options.ts';

const ALLOWED = listMethods(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']);

interface RecordRouteOptions {
  readonly content: Content;
  readonly maxIdLength: number;
}

/** Serves `/{app}/{Export}/{id}`: read, create or replace, patch, delete, publish to the record. */
export function registerRecord(
  app: FastifyInstance,
  { path, resource, auth }: Endpoint,
  { content, maxIdLength }: RecordRouteOptions,
): void {
  const url = `${path}/:id`;
  const { table } = resource;
  const cacheControl = cacheControlFor(auth);
  const keyOf = (request: FastifyRequest): RecordKey =>
    parseKey(table, (request.params as { id: string }).id, maxIdLength);

  // Not async, nor are PUT and PATCH: each further promise only delays the answer (row "GET by id" of the benchmark).
  const read = (request: FastifyRequest, reply: FastifyReply): ResponseBody => {
    const context = beginRequest(content, request, reply);
    const id = keyOf(request);
    const query = queryOf(request);
    checkStreamParameter(query, table);
    return atPosition(request, resource, () => readNow(context, id, query));
  };
  const readNow = (context: RequestContext, id: RecordKey, query: string): ResponseBody => {
    const { request, reply } = context;
    reply.header('cache-control', cacheControl).header('vary', VARY).header('x-position', resource.head);
    const found = resource.get(identityOf(request), id, query);
    const columns = () => resource.columnsOf(identityOf(request), query);
    const answer = (record: FoundRecord | undefined) => answerRecord(context, { resource, id, record, columns });
    return found instanceof Promise ? found.then(movedOn(reply, resource)).then(answer) : answer(found);
  };
  app.route({ ...RECORD_ROUTES.read, url, handler: read });

  const writer =
    (write: (request: FastifyRequest) => Promise<WriteOutcome>) => (request: FastifyRequest, reply: FastifyReply) => {
      const context = beginRequest(content, request, reply);
      refuseQuery(request);
      const columns = () => resource.columnsOf(identityOf(request), '');
      return write(request).then((outcome) => respondWritten(context, { outcome, columns }));
    };
  const put = (request: FastifyRequest) => {
    const options = optionsOf(request, resource);
    return resource.put(identityOf(request), keyOf(request), oneBody(request), options);
  };
  app.put(url, RECORD_ROUTES.write, writer(put));
  app.patch(
    url,
    RECORD_ROUTES.patch,
    writer((request) => patchRecord(request, resource, keyOf(request))),
  );

  app.delete(url, RECORD_ROUTES.remove, async (request, reply) => {
    refuseQuery(request);
    const outcome = await resource.delete(identityOf(request), keyOf(request), optionsOf(request, resource));
    markReplayed(reply, outcome);
    reply.code(204).header('x-position', outcome.seq);
    return respondEmpty(reply);
  });

  app.post(url, RECORD_ROUTES.write, async (request, reply) => {
    const context = beginRequest(content, request, reply);
    if (!publishes(request)) {
      const message = 'A record is written with PUT or PATCH; POST here only publishes, with ?publish=true.';
      throw new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow: ALLOWED } });
    }
    refusePrecondition(request.headers);
    const once = idempotencyKeyOf(request, resource);
    const published = await resource.publish(identityOf(request), keyOf(request), oneBody(request), once);
    return respondPublished(context, published);
  });
}

interface RecordAnswer extends Pick<Endpoint, 'resource'> {
  readonly id: RecordKey;
  readonly record: FoundRecord | undefined;
  readonly columns: () => readonly Column[];
}

function answerRecord(context: RequestContext, { resource, id, record, columns }: RecordAnswer): ResponseBody {
  if (record === undefined) throw recordNotFound(id);
  const { request, reply, representation } = context;
  checkMatch(request.headers, record.seq);
  const etag = etagOf(record.seq, representation);
  // A copy in the client's cache may be the answer to another caller in the same browser.
  const isForAll = resource.table.fields.every(({ access }) => access?.read === undefined);
  const isCacheable = isForAll && record.isShared !== true && resource.isTrueTo(record.seq);
  const cached = isCacheable ? cachedTag(request.headers, etag, representation) : undefined;
  reply.header('etag', cached ?? etag);
  if (cached === undefined) return respond(context, record.json, columns);
  reply.code(304);
  return respondEmpty(reply);
}
