import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ANONYMOUS } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import { parseKey } from '../../resources/key.ts';
import type { Key } from '../../store/store.ts';
import { queryOf } from '../query-of.ts';
import type { Endpoint } from '../transport.ts';
import { etagOf, isCached, parsePrecondition } from './conditions.ts';
import { JSON_TYPE, publishes, refuseQuery, sendWritten } from './replies.ts';

const REST = { constraints: { transport: 'rest' } };
const ALLOWED = 'GET, HEAD, PUT, PATCH, DELETE';

/** `/{app}/{Export}/{id}`: read, create or replace, merge, delete, publish to the record. */
export function registerRecord(app: FastifyInstance, { path, resource }: Endpoint, maxIdLength: number): void {
  const url = `${path}/:id`;
  const { table } = resource;
  const keyOf = (request: FastifyRequest): Key => parseKey(table, (request.params as { id: string }).id, maxIdLength);

  app.get(url, REST, async (request, reply) => {
    const id = keyOf(request);
    const position = resource.head;
    const record = await resource.get(ANONYMOUS, id, queryOf(request));
    if (record === undefined) throw new AppError('NOT_FOUND', `There is no record with the id ${JSON.stringify(id)}.`);
    const etag = etagOf(record.seq);
    reply.header('etag', etag).header('x-position', position);
    if (isCached(request.headers, etag)) return reply.code(304).send();
    return reply.header('content-type', JSON_TYPE).send(record.json);
  });

  app.put(url, REST, async (request, reply) => {
    refuseQuery(request);
    const outcome = await resource.put(ANONYMOUS, keyOf(request), request.body, parsePrecondition(request.headers));
    return sendWritten(request, reply, { path, outcome });
  });

  app.patch(url, REST, async (request, reply) => {
    refuseQuery(request);
    const outcome = await resource.patch(ANONYMOUS, keyOf(request), request.body, parsePrecondition(request.headers));
    return sendWritten(request, reply, { path, outcome });
  });

  app.delete(url, REST, async (request, reply) => {
    refuseQuery(request);
    await resource.delete(ANONYMOUS, keyOf(request), parsePrecondition(request.headers));
    return reply.code(204).send();
  });

  app.post(url, REST, async (request, reply): Promise<FastifyReply> => {
    if (!publishes(request)) {
      const message = 'A record is written with PUT or PATCH; POST here only publishes, with ?publish=true.';
      throw new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow: ALLOWED } });
    }
    return reply.code(202).send(await resource.publish(ANONYMOUS, keyOf(request), request.body));
  });
}
