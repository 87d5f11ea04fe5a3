import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { parseKey } from '../../resources/key.ts';
import type { FoundRecord } from '../../resources/table-resource.ts';
import { identityOf } from '../../server/identity-of.ts';
import type { Awaitable, Key } from '../../store/store.ts';
import { queryOf } from '../query-of.ts';
import type { Endpoint } from '../transport.ts';
import { etagOf, isCached } from './conditions.ts';
import { markReplayed, onceOf, optionsOf } from './idempotency-key.ts';
import {
  type Answer,
  answerEmpty,
  answerJson,
  answerPublished,
  answerWritten,
  publishes,
  refuseQuery,
} from './replies.ts';

const REST = { constraints: { transport: 'rest' } };
const ALLOWED = 'GET, HEAD, PUT, PATCH, DELETE';

/** `/{app}/{Export}/{id}`: read, create or replace, merge, delete, publish to the record. */
export function registerRecord(app: FastifyInstance, { path, resource }: Endpoint, maxIdLength: number): void {
  const url = `${path}/:id`;
  const { table } = resource;
  const keyOf = (request: FastifyRequest): Key => parseKey(table, (request.params as { id: string }).id, maxIdLength);

  // Not async: the embedded store answers at once, and a promise would only make the answer wait.
  app.get(url, REST, (request, reply): Awaitable<Answer> => {
    const id = keyOf(request);
    reply.header('x-position', resource.head);
    const found = resource.get(identityOf(request), id, queryOf(request));
    if (found instanceof Promise) return found.then((record) => answerRecord(request, reply, { id, record }));
    return answerRecord(request, reply, { id, record: found });
  });

  app.put(url, REST, async (request, reply) => {
    refuseQuery(request);
    const outcome = await resource.put(identityOf(request), keyOf(request), request.body, optionsOf(request, resource));
    return answerWritten(request, reply, { path, outcome });
  });

  app.patch(url, REST, async (request, reply) => {
    refuseQuery(request);
    const outcome = await resource.patch(
      identityOf(request),
      keyOf(request),
      request.body,
      optionsOf(request, resource),
    );
    return answerWritten(request, reply, { path, outcome });
  });

  app.delete(url, REST, async (request, reply) => {
    refuseQuery(request);
    markReplayed(reply, await resource.delete(identityOf(request), keyOf(request), optionsOf(request, resource)));
    reply.code(204);
    return answerEmpty(reply);
  });

  app.post(url, REST, async (request, reply): Promise<Answer> => {
    if (!publishes(request)) {
      const message = 'A record is written with PUT or PATCH; POST here only publishes, with ?publish=true.';
      throw new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow: ALLOWED } });
    }
    return answerPublished(
      reply,
      await resource.publish(identityOf(request), keyOf(request), request.body, onceOf(request, resource)),
    );
  });
}

interface Found {
  readonly id: Key;
  readonly record: FoundRecord | undefined;
}

function answerRecord({ headers }: FastifyRequest, reply: FastifyReply, { id, record }: Found): Answer {
  if (record === undefined) throw new AppError('NOT_FOUND', `There is no record with the id ${JSON.stringify(id)}.`);
  const etag = etagOf(record.seq);
  reply.header('etag', etag);
  if (record.isShared === true || !isCached(headers, etag)) return answerJson(reply, record.json);
  reply.code(304);
  return answerEmpty(reply);
}
