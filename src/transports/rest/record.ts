import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { parseKey } from '../../resources/key.ts';
import type { Column, FoundRecord } from '../../resources/table/types.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import { cacheControlFor } from '../../server/cache-control.ts';
import { ignoreEmptyBody } from '../../server/checks/empty-body.ts';
import { listMethods } from '../../server/checks/known-methods.ts';
import { type Content, VARY } from '../../server/content/content.ts';
import { queryOf } from '../../server/query-of.ts';
import type { RecordKey } from '../../store/store.ts';
import type { Endpoint } from '../endpoint.ts';
import { cachedTag, checkMatch, etagOf, explainWeakTag, refusePrecondition } from './conditions.ts';
import { idempotencyKeyOf, markReplayed, optionsOf } from './idempotency-key.ts';
import { nameTypes, PATCHING, patchRecord } from './merge-patch.ts';
import { oneBody } from './one-body.ts';
import {
  beginRequest,
  checkStreamParameter,
  movedOn,
  publishes,
  type RequestContext,
  type ResponseBody,
  refuseQuery,
  respond,
  respondEmpty,
  respondPublished,
  respondWritten,
} from './replies.ts';

const REST = {
  constraints: { transport: 'rest' },
  errorHandler: (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    // The server's own handler answers it.
    reply.send(explainWeakTag(error, request));
  },
};
/** Fastify's own HEAD would say that a 304 is for nothing at all: `Content-Length: 0`. */
const READ = { ...REST, method: ['HEAD', 'GET'] };
const REMOVAL = { ...REST, onRequest: ignoreEmptyBody };
const CHANGE = {
  ...REST,
  ...PATCHING,
  errorHandler: (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    nameTypes(error, reply);
    REST.errorHandler(error, request, reply);
  },
};
const ALLOWED = listMethods(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']);

interface Options {
  readonly content: Content;
  readonly maxIdLength: number;
}

/** `/{app}/{Export}/{id}`: read, create or replace, merge, delete, publish to the record. */
export function registerRecord(
  app: FastifyInstance,
  { path, resource, auth }: Endpoint,
  { content, maxIdLength }: Options,
): void {
  const url = `${path}/:id`;
  const { table } = resource;
  const cacheControl = cacheControlFor(auth);
  const keyOf = (request: FastifyRequest): RecordKey =>
    parseKey(table, (request.params as { id: string }).id, maxIdLength);
  const columnsFor = (request: FastifyRequest) => () => resource.columnsOf(identityOf(request), '');

  // Not async, nor are PUT and PATCH: each promise more only makes the answer wait.
  const read = (request: FastifyRequest, reply: FastifyReply): ResponseBody => {
    const exchange = beginRequest(content, request, reply);
    const id = keyOf(request);
    const query = queryOf(request);
    checkStreamParameter(query, table);
    reply.header('cache-control', cacheControl).header('vary', VARY).header('x-position', resource.head);
    const found = resource.get(identityOf(request), id, query);
    const columns = () => resource.columnsOf(identityOf(request), query);
    const answer = (record: FoundRecord | undefined) => answerRecord(exchange, { resource, id, record, columns });
    return found instanceof Promise ? found.then(movedOn(reply, resource)).then(answer) : answer(found);
  };
  app.route({ ...READ, url, handler: read });

  app.put(url, REST, (request, reply) => {
    const exchange = beginRequest(content, request, reply);
    refuseQuery(request);
    const options = optionsOf(request, resource);
    return resource
      .put(identityOf(request), keyOf(request), oneBody(request), options)
      .then((outcome) => respondWritten(exchange, { outcome, columns: columnsFor(request) }));
  });

  app.patch(url, CHANGE, (request, reply) => {
    const exchange = beginRequest(content, request, reply);
    refuseQuery(request);
    return patchRecord(request, resource, keyOf(request)).then((outcome) =>
      respondWritten(exchange, { outcome, columns: columnsFor(request) }),
    );
  });

  app.delete(url, REMOVAL, async (request, reply) => {
    refuseQuery(request);
    markReplayed(reply, await resource.delete(identityOf(request), keyOf(request), optionsOf(request, resource)));
    reply.code(204);
    return respondEmpty(reply);
  });

  app.post(url, REST, async (request, reply) => {
    const exchange = beginRequest(content, request, reply);
    if (!publishes(request)) {
      const message = 'A record is written with PUT or PATCH; POST here only publishes, with ?publish=true.';
      throw new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow: ALLOWED } });
    }
    refusePrecondition(request.headers);
    const once = idempotencyKeyOf(request, resource);
    const published = await resource.publish(identityOf(request), keyOf(request), oneBody(request), once);
    return respondPublished(exchange, published);
  });
}

interface Found extends Pick<Endpoint, 'resource'> {
  readonly id: RecordKey;
  readonly record: FoundRecord | undefined;
  readonly columns: () => readonly Column[];
}

function answerRecord(exchange: RequestContext, { resource, id, record, columns }: Found): ResponseBody {
  if (record === undefined) throw new AppError('NOT_FOUND', `There is no record with the id ${JSON.stringify(id)}.`);
  const { request, reply, wish } = exchange;
  checkMatch(request.headers, record.seq);
  const etag = etagOf(record.seq, wish);
  // What the caller has may be what another caller was shown, who used the same browser.
  const isForAll = resource.table.fields.every(({ access }) => access?.read === undefined);
  const isTelling = isForAll && record.isShared !== true && resource.isTrueTo(record.seq);
  const cached = isTelling ? cachedTag(request.headers, etag, wish) : undefined;
  reply.header('etag', cached ?? etag);
  if (cached === undefined) return respond(exchange, record.json, columns);
  reply.code(304);
  return respondEmpty(reply);
}
