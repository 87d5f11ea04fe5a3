import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { ListQuery } from '../../query/index.ts';
import { BatchBody } from '../../resources/body/batch-body.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import { cacheControlFor } from '../../server/cache-control.ts';
import { ignoreEmptyBody } from '../../server/checks/empty-body.ts';
import { listMethods } from '../../server/checks/known-methods.ts';
import { type Content, VARY } from '../../server/content/content.ts';
import { tagFor } from '../../server/content/etag.ts';
import { makeNextLink, type NextLink } from '../../server/next-link.ts';
import { queryOf } from '../../server/query-of.ts';
import type { ListPage, WriteOutcome } from '../../store/store.ts';
import { type Endpoint, tableUrls } from '../endpoint.ts';
import { cachedTag, checkMatch, refusePrecondition } from './conditions.ts';
import { idempotencyKeyOf, markReplayed } from './idempotency-key.ts';
import { PATCHING, patchOfMany } from './merge-patch.ts';
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
  wantsMinimal,
} from './replies.ts';

const REST = { constraints: { transport: 'rest' } };
/** Fastify's own HEAD would say that a 304 is for nothing at all: `Content-Length: 0`. */
const READ = { ...REST, method: ['HEAD', 'GET'] };
const CHANGE = { ...REST, ...PATCHING };
const REMOVAL = { ...REST, onRequest: ignoreEmptyBody };

/** `/{app}/{Export}`: list, create, publish to the table, change or remove by filter. */
export function registerCollection(app: FastifyInstance, endpoint: Endpoint, content: Content): void {
  const begin = (request: FastifyRequest, reply: FastifyReply) => beginRequest(content, request, reply);
  for (const url of tableUrls(endpoint)) {
    app.route({ ...READ, url, handler: (request, reply) => list(endpoint, begin(request, reply)) });
    app.post(url, REST, (request, reply) => {
      const exchange = begin(request, reply);
      refusePrecondition(request.headers);
      return publishes(request) ? publish(endpoint, exchange) : create(endpoint, exchange);
    });
    app.patch(url, CHANGE, async (request, reply) => writeMany(endpoint, begin(request, reply)));
    app.delete(url, REMOVAL, async (request, reply) => writeMany(endpoint, begin(request, reply)));
  }
  // Else it would be about the record with an empty id.
  app.put(`${endpoint.path}/`, { ...REST, config: { refuses: true } }, async () => {
    const allow = listMethods(['GET', 'HEAD', 'POST', 'PATCH', 'DELETE']);
    const message = `PUT is not for this address; it takes ${allow}.`;
    throw new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow } });
  });
}

function list(endpoint: Endpoint, exchange: RequestContext): ResponseBody {
  const { resource, planTag, auth } = endpoint;
  const { request, reply, wish } = exchange;
  const rawQuery = queryOf(request);
  checkStreamParameter(rawQuery, resource.table);
  const identity = identityOf(request);
  // The query is checked also where the answer is 304: an error must not depend on what the client has kept.
  const query = resource.parseList(identity, rawQuery);
  const etag = tagFor(`W/"${resource.versionOf(query, identity)}-${planTag}"`, wish.format);
  reply
    .header('cache-control', cacheControlFor(auth))
    .header('vary', VARY)
    .header('etag', etag)
    .header('x-position', resource.head);
  checkMatch(request.headers);
  if (cachedTag(request.headers, etag, wish) !== undefined) {
    reply.code(304);
    return respondEmpty(reply);
  }
  const page = resource.readList(query);
  const answer = (it: ListPage) => answerPage(exchange, it, { resource, query, rawQuery });
  return page instanceof Promise ? page.then(movedOn(reply, resource)).then(answer) : answer(page);
}

interface Asked extends Pick<Endpoint, 'resource'> {
  readonly query: ListQuery;
  readonly rawQuery: string;
}

/** A page with the address of the next one (RFC 8288) and, when asked for, the number of all records. */
function answerPage(exchange: RequestContext, { json, next, total }: ListPage, asked: Asked): ResponseBody {
  const { reply, request } = exchange;
  if (total !== undefined) reply.header('x-total-count', total);
  if (next !== undefined) reply.header('link', linkTo(next, asked));
  return respond(exchange, json, () => asked.resource.columnsOf(identityOf(request), asked.rawQuery));
}

const PLACES = ['cursor', 'offset'] as const;
/** Equal queries are one object as a rule, and keep theirs. */
const nextLinks = new WeakMap<ListQuery, NextLink>();

function linkTo(cursor: string, { query, rawQuery }: Asked): string {
  let link = nextLinks.get(query);
  if (link === undefined) {
    link = makeNextLink(rawQuery, PLACES);
    nextLinks.set(query, link);
  }
  return link(cursor);
}

/** Not async: each promise more only makes the answer wait. */
function create({ resource, path }: Endpoint, exchange: RequestContext): Promise<ResponseBody> {
  const { request } = exchange;
  refuseQuery(request);
  const { body } = request;
  if (Array.isArray(body) || body instanceof BatchBody) return createMany(resource, exchange, body);
  const columns = () => resource.columnsOf(identityOf(request), '');
  return resource
    .create(identityOf(request), body, idempotencyKeyOf(request, resource))
    .then((outcome) => respondWritten(exchange, { outcome, columns, base: baseOf(request, path) }));
}

/** What stands before a record's key in an address that is relative to that of the table. */
function baseOf({ raw: { url = '' } }: FastifyRequest, path: string): string {
  const end = url.indexOf('?');
  return url.at(end < 0 ? -1 : end - 1) === '/' ? '' : path.slice(path.lastIndexOf('/') + 1).concat('/');
}

async function createMany(
  resource: TableResource,
  exchange: RequestContext,
  body: readonly unknown[] | BatchBody,
): Promise<ResponseBody> {
  const { request, reply } = exchange;
  const columns = () => resource.columnsOf(identityOf(request), '');
  const outcomes = await resource.createMany(identityOf(request), body, idempotencyKeyOf(request, resource));
  markReplayed(reply, outcomes[0]);
  reply.code(201);
  return wantsMinimal(request, reply) ? respondEmpty(reply) : respond(exchange, toJsonArray(outcomes), columns);
}

async function publish({ resource }: Endpoint, exchange: RequestContext): Promise<ResponseBody> {
  const { request } = exchange;
  const once = idempotencyKeyOf(request, resource);
  return respondPublished(exchange, await resource.publish(identityOf(request), null, oneBody(request), once));
}

async function writeMany({ resource }: Endpoint, exchange: RequestContext): Promise<ResponseBody> {
  const { request, reply } = exchange;
  refusePrecondition(request.headers);
  const query = queryOf(request);
  const once = idempotencyKeyOf(request, resource);
  const outcome = await (request.method === 'PATCH'
    ? resource.patchMany(identityOf(request), query, patchOfMany(request), once)
    : resource.deleteMany(identityOf(request), query, once));
  markReplayed(reply, outcome);
  if (!wantsMinimal(request, reply)) return respond(exchange, outcome.json);
  reply.code(204);
  return respondEmpty(reply);
}

function toJsonArray(outcomes: readonly WriteOutcome[]): string {
  return `[${outcomes.map(({ json }) => json).join(',')}]`;
}
