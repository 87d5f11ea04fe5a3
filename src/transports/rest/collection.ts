import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { ListQuery } from '../../query/index.ts';
import { BatchBody } from '../../resources/body/batch-body.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { listMethods, METHODS } from '../../server/checks/known-methods.ts';
import { type Content, tagFor, VARY } from '../../server/content/content.ts';
import { identityOf, queryOf } from '../../server/request.ts';
import { cacheControlFor, makeNextLink, type NextLink } from '../../server/response-headers.ts';
import type { ListPage, WriteOutcome } from '../../store/store.ts';
import { type Endpoint, tableUrls } from '../endpoint.ts';
import { patchOfMany } from './merge-patch.ts';
import { type AskedQuery, readQueryBody, registerQuery } from './query-method.ts';
import {
  atPosition,
  beginRequest,
  cachedTag,
  checkMatch,
  checkStreamParameter,
  idempotencyKeyOf,
  oneBody,
  publishes,
  type RequestContext,
  refusePrecondition,
  refuseQuery,
} from './request.ts';
import {
  markReplayed,
  movedOn,
  type ResponseBody,
  respond,
  respondEmpty,
  respondPublished,
  respondWritten,
  wantsMinimal,
} from './response.ts';
import { QUERY_TYPES, TABLE_ROUTES } from './route-options.ts';

interface CollectionRouteOptions {
  readonly content: Content;
  /** Bytes of the body of a QUERY. */
  readonly maxQuery: number;
}

/** Endpoint of a table with what its lists keep from one request to the next. */
interface Collection extends Endpoint {
  /**
   * Links to the next page by query: parsed queries are cached, so equal queries are usually one object. Saves 2 µs (one
   * parameter) to 7 µs (six) of an answer of the row "GET filtered list of 20" of the benchmark.
   */
  readonly links: WeakMap<ListQuery, NextLink>;
}

/** Serves `/{app}/{Export}`: list, create, publish to the table, change or remove by filter. */
export function registerCollection(
  app: FastifyInstance,
  endpoint: Endpoint,
  { content, maxQuery }: CollectionRouteOptions,
): void {
  const begin = (request: FastifyRequest, reply: FastifyReply) => beginRequest(content, request, reply);
  const collection: Collection = { ...endpoint, links: new WeakMap() };
  for (const url of tableUrls(endpoint)) {
    const list = (request: FastifyRequest, reply: FastifyReply) =>
      answerList(collection, begin(request, reply), { rawQuery: queryOf(request) });
    app.route({ ...TABLE_ROUTES.read, url, handler: list });
    app.post(url, TABLE_ROUTES.write, (request, reply) => {
      const context = begin(request, reply);
      refusePrecondition(request.headers);
      return publishes(request) ? publish(endpoint, context) : create(endpoint, context);
    });
    app.patch(url, TABLE_ROUTES.patch, async (request, reply) => writeMany(endpoint, begin(request, reply)));
    app.delete(url, TABLE_ROUTES.remove, async (request, reply) => writeMany(endpoint, begin(request, reply)));
  }
  registerQuery(app, { urls: tableUrls(endpoint), bodyLimit: maxQuery }, (request, reply) =>
    answerList(collection, begin(request, reply), readQueryBody(request)),
  );
  // Otherwise the route of records would take it, with an empty id.
  app.put(`${endpoint.path}/`, { ...TABLE_ROUTES.write, config: { refuses: true } }, async () => {
    const allow = listMethods(METHODS.filter((method) => method !== 'PUT'));
    const message = `PUT is not allowed at this address; it accepts ${allow}.`;
    throw new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow } });
  });
}

function answerList(collection: Collection, context: RequestContext, asked: AskedQuery): ResponseBody {
  const { resource } = collection;
  const { request } = context;
  const { rawQuery } = asked;
  checkStreamParameter(rawQuery, resource.table);
  const identity = identityOf(request);
  // The query is checked also where the answer is 304: an error must not depend on the client's cache.
  const query = resource.parseList(identity, rawQuery);
  const answer = (version: string) => answerVersion(collection, context, { ...asked, query, version });
  return atPosition(request, resource, () => {
    const version = resource.versionOf(query, identity);
    return version instanceof Promise ? version.then(answer) : answer(version);
  });
}

/** Answers with the list, or where the client has it in this version, with 304. */
function answerVersion(
  collection: Collection,
  context: RequestContext,
  { query, rawQuery, address, version }: Omit<ListRequest, 'resource' | 'links'> & { readonly version: string },
): ResponseBody {
  const { resource, planTag, auth, links } = collection;
  const { request, reply, representation } = context;
  const etag = tagFor(`W/"${version}-${planTag}"`, representation.format);
  reply
    .header('cache-control', cacheControlFor(auth))
    .header('vary', VARY)
    .header('etag', etag)
    .header('accept-query', QUERY_TYPES)
    .header('x-position', resource.head);
  checkMatch(request.headers);
  if (cachedTag(request.headers, etag, representation) !== undefined) {
    reply.code(304);
    return respondEmpty(reply);
  }
  const found = resource.readList(query);
  const answer = (page: ListPage) => answerPage(context, page, { resource, links, query, rawQuery, address });
  return found instanceof Promise ? found.then(movedOn(reply, resource)).then(answer) : answer(found);
}

interface ListRequest extends Pick<Collection, 'resource' | 'links'>, AskedQuery {
  readonly query: ListQuery;
}

/** Writes a page with the address of the next one (RFC 8288) and, if requested, the number of all records. */
function answerPage(context: RequestContext, { json, next, total }: ListPage, list: ListRequest): ResponseBody {
  const { reply, request } = context;
  if (total !== undefined) reply.header('x-total-count', total);
  if (next !== undefined) reply.header('link', linkTo(next, list));
  return respond(context, json, () => list.resource.columnsOf(identityOf(request), list.rawQuery));
}

const PAGE_PARAMETERS = ['cursor', 'offset'] as const;

function linkTo(cursor: string, { links, query, rawQuery, address }: ListRequest): string {
  if (address !== undefined) return makeNextLink(address, PAGE_PARAMETERS)(cursor);
  let link = links.get(query);
  if (link === undefined) {
    link = makeNextLink(rawQuery, PAGE_PARAMETERS);
    links.set(query, link);
  }
  return link(cursor);
}

/** Creates a record. Not async: each further promise only delays the answer (row "POST, durable" of the benchmark). */
function create({ resource, path }: Endpoint, context: RequestContext): Promise<ResponseBody> {
  const { request } = context;
  refuseQuery(request);
  const { body } = request;
  if (Array.isArray(body) || body instanceof BatchBody) return createMany(resource, context, body);
  const columns = () => resource.columnsOf(identityOf(request), '');
  return resource
    .create(identityOf(request), body, idempotencyKeyOf(request, resource))
    .then((outcome) => respondWritten(context, { outcome, columns, base: baseOf(request, path) }));
}

/** Prefix of a record's key in an address that is relative to the address of the table. */
function baseOf({ raw: { url = '' } }: FastifyRequest, path: string): string {
  const end = url.indexOf('?');
  return url.at(end < 0 ? -1 : end - 1) === '/' ? '' : path.slice(path.lastIndexOf('/') + 1).concat('/');
}

async function createMany(
  resource: TableResource,
  context: RequestContext,
  body: readonly unknown[] | BatchBody,
): Promise<ResponseBody> {
  const { request, reply } = context;
  const columns = () => resource.columnsOf(identityOf(request), '');
  const outcomes = await resource.createMany(identityOf(request), body, idempotencyKeyOf(request, resource));
  markReplayed(reply, outcomes[0]);
  reply.code(201).header('x-position', outcomes.at(-1)?.seq ?? resource.head);
  return wantsMinimal(request, reply) ? respondEmpty(reply) : respond(context, toJsonArray(outcomes), columns);
}

async function publish({ resource }: Endpoint, context: RequestContext): Promise<ResponseBody> {
  const { request } = context;
  const once = idempotencyKeyOf(request, resource);
  return respondPublished(context, await resource.publish(identityOf(request), null, oneBody(request), once));
}

async function writeMany({ resource }: Endpoint, context: RequestContext): Promise<ResponseBody> {
  const { request, reply } = context;
  refusePrecondition(request.headers);
  const query = queryOf(request);
  const once = idempotencyKeyOf(request, resource);
  const outcome = await (request.method === 'PATCH'
    ? resource.patchMany(identityOf(request), query, patchOfMany(request, resource), once)
    : resource.deleteMany(identityOf(request), query, once));
  markReplayed(reply, outcome);
  reply.header('x-position', outcome.seq);
  if (!wantsMinimal(request, reply)) return respond(context, outcome.json);
  reply.code(204);
  return respondEmpty(reply);
}

function toJsonArray(outcomes: readonly WriteOutcome[]): string {
  return `[${outcomes.map(({ json }) => json).join(',')}]`;
}
