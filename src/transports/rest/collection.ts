import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { identityOf } from '../../server/identity-of.ts';
import type { Awaitable, ListPage, WriteOutcome } from '../../store/store.ts';
import { queryOf } from '../query-of.ts';
import type { Endpoint } from '../transport.ts';
import { isCached, parsePrecondition } from './conditions.ts';
import { markReplayed, onceOf } from './idempotency-key.ts';
import {
  type Answer,
  answerEmpty,
  answerJson,
  answerPublished,
  answerWritten,
  publishes,
  refuseQuery,
  wantsMinimal,
} from './replies.ts';

const REST = { constraints: { transport: 'rest' } };

/** `/{app}/{Export}`: list, create, publish to the table, change or remove by filter. */
export function registerCollection(app: FastifyInstance, endpoint: Endpoint): void {
  const { path } = endpoint;
  app.get(path, REST, (request, reply) => list(endpoint, request, reply));
  app.post(path, REST, (request, reply) =>
    publishes(request) ? publish(endpoint, request, reply) : create(endpoint, request, reply),
  );
  app.patch(path, REST, (request, reply) => writeMany(endpoint, request, reply));
  app.delete(path, REST, (request, reply) => writeMany(endpoint, request, reply));
}

function list(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Awaitable<Answer> {
  const { resource, planTag } = endpoint;
  const rawQuery = queryOf(request);
  const identity = identityOf(request);
  // The query is checked also where the answer is 304: an error must not depend on what the client has kept.
  const query = resource.parseList(identity, rawQuery);
  const etag = `W/"${resource.versionOf(query, identity)}-${planTag}"`;
  reply.header('etag', etag).header('x-position', resource.head);
  if (isCached(request.headers, etag)) {
    reply.code(304);
    return answerEmpty(reply);
  }
  const page = resource.readList(query);
  if (page instanceof Promise) return page.then((it) => answerPage(reply, { ...it, path: endpoint.path, rawQuery }));
  if (page.next === undefined && page.total === undefined) return answerJson(reply, page.json);
  return answerPage(reply, { ...page, path: endpoint.path, rawQuery });
}

interface Page extends ListPage {
  readonly path: string;
  readonly rawQuery: string;
}

/** A page with the address of the next one (RFC 8288) and, when asked for, the number of all records. */
function answerPage(reply: FastifyReply, { json, next, total, path, rawQuery }: Page): Answer {
  if (total !== undefined) reply.header('x-total-count', total);
  if (next !== undefined) {
    const others = rawQuery.split('&').filter((part) => part !== '' && !/^(?:cursor|offset)=/.test(part));
    const query = [...others, `cursor=${next}`].join('&').replace(/[<>"]/g, encodeURIComponent);
    reply.header('link', `<${path}?${query}>; rel="next"`);
  }
  return answerJson(reply, json);
}

async function create(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<Answer> {
  const { resource, path } = endpoint;
  refuseQuery(request);
  if (!Array.isArray(request.body)) {
    const outcome = await resource.create(identityOf(request), request.body, onceOf(request, resource));
    return answerWritten(request, reply, { path, outcome });
  }
  const outcomes = await resource.createMany(identityOf(request), request.body, onceOf(request, resource));
  markReplayed(reply, outcomes[0]);
  reply.code(201);
  return wantsMinimal(request, reply) ? answerEmpty(reply) : answerJson(reply, toJsonArray(outcomes));
}

async function publish({ resource }: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<Answer> {
  return answerPublished(
    reply,
    await resource.publish(identityOf(request), null, request.body, onceOf(request, resource)),
  );
}

async function writeMany({ resource }: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<Answer> {
  if (parsePrecondition(request.headers) !== undefined) {
    throw new AppError('BAD_REQUEST', 'If-Match and If-None-Match are for one record; this is for those that match.');
  }
  const query = queryOf(request);
  const once = onceOf(request, resource);
  const outcome = await (request.method === 'PATCH'
    ? resource.patchMany(identityOf(request), query, request.body, once)
    : resource.deleteMany(identityOf(request), query, once));
  markReplayed(reply, outcome);
  if (!wantsMinimal(request, reply)) return answerJson(reply, outcome.json);
  reply.code(204);
  return answerEmpty(reply);
}

function toJsonArray(outcomes: readonly WriteOutcome[]): string {
  return `[${outcomes.map(({ json }) => json).join(',')}]`;
}
