import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ANONYMOUS } from '../../auth/identity.ts';
import type { WriteOutcome } from '../../store/store.ts';
import { queryOf } from '../query-of.ts';
import type { Endpoint } from '../transport.ts';
import { isCached } from './conditions.ts';
import { JSON_TYPE, publishes, refuseQuery, sendWritten, wantsMinimal } from './replies.ts';

const REST = { constraints: { transport: 'rest' } };

/** `/{app}/{Export}`: list, create, publish to the table. */
export function registerCollection(app: FastifyInstance, endpoint: Endpoint): void {
  const { path } = endpoint;
  app.get(path, REST, (request, reply) => list(endpoint, request, reply));
  app.post(path, REST, (request, reply) => (publishes(request) ? publish(endpoint, request, reply) : create(endpoint, request, reply)));
}

async function list({ resource, planTag }: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<string | undefined> {
  const rawQuery = queryOf(request);
  const etag = `W/"${resource.tableHead}-${planTag}"`;
  reply.header('etag', etag).header('x-position', resource.head);
  // The query is checked also where the answer is 304: an error must not depend on what the client has kept.
  const cached = isCached(request.headers, etag);
  if (cached) {
    resource.checkList(ANONYMOUS, rawQuery);
    reply.code(304).send();
    return undefined;
  }
  const json = await resource.list(ANONYMOUS, rawQuery);
  reply.header('content-type', JSON_TYPE);
  return json;
}

async function create(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { resource, path } = endpoint;
  refuseQuery(request);
  if (!Array.isArray(request.body)) {
    const outcome = await resource.create(ANONYMOUS, request.body);
    return sendWritten(request, reply, { path, outcome });
  }
  const outcomes = await resource.createMany(ANONYMOUS, request.body);
  reply.code(201);
  if (wantsMinimal(request, reply)) return reply.send();
  return reply.header('content-type', JSON_TYPE).send(toJsonArray(outcomes));
}

async function publish({ resource }: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<object> {
  const published = await resource.publish(ANONYMOUS, null, request.body);
  reply.code(202);
  return published;
}

function toJsonArray(outcomes: readonly WriteOutcome[]): string {
  return `[${outcomes.map(({ json }) => json).join(',')}]`;
}
