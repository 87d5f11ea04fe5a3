import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ANONYMOUS } from '../../auth/identity.ts';
import type { Awaitable, WriteOutcome } from '../../store/store.ts';
import { queryOf } from '../query-of.ts';
import type { Endpoint } from '../transport.ts';
import { isCached } from './conditions.ts';
import {
  type Answer,
  answerEmpty,
  answerJson,
  answerWritten,
  publishes,
  refuseQuery,
  wantsMinimal,
} from './replies.ts';

const REST = { constraints: { transport: 'rest' } };

/** `/{app}/{Export}`: list, create, publish to the table. */
export function registerCollection(app: FastifyInstance, endpoint: Endpoint): void {
  const { path } = endpoint;
  app.get(path, REST, (request, reply) => list(endpoint, request, reply));
  app.post(path, REST, (request, reply) =>
    publishes(request) ? publish(endpoint, request, reply) : create(endpoint, request, reply),
  );
}

function list({ resource, planTag }: Endpoint, request: FastifyRequest, reply: FastifyReply): Awaitable<Answer> {
  const rawQuery = queryOf(request);
  const etag = `W/"${resource.tableHead}-${planTag}"`;
  reply.header('etag', etag).header('x-position', resource.head);
  // The query is checked also where the answer is 304: an error must not depend on what the client has kept.
  const cached = isCached(request.headers, etag);
  if (cached) {
    resource.checkList(ANONYMOUS, rawQuery);
    reply.code(304);
    return answerEmpty(reply);
  }
  const json = resource.list(ANONYMOUS, rawQuery);
  return typeof json === 'string' ? answerJson(reply, json) : json.then((text) => answerJson(reply, text));
}

async function create(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<Answer> {
  const { resource, path } = endpoint;
  refuseQuery(request);
  if (!Array.isArray(request.body)) {
    const outcome = await resource.create(ANONYMOUS, request.body);
    return answerWritten(request, reply, { path, outcome });
  }
  const outcomes = await resource.createMany(ANONYMOUS, request.body);
  reply.code(201);
  return wantsMinimal(request, reply) ? answerEmpty(reply) : answerJson(reply, toJsonArray(outcomes));
}

async function publish({ resource }: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<Answer> {
  const published = await resource.publish(ANONYMOUS, null, request.body);
  reply.code(202);
  return answerJson(reply, JSON.stringify(published));
}

function toJsonArray(outcomes: readonly WriteOutcome[]): string {
  return `[${outcomes.map(({ json }) => json).join(',')}]`;
}
