import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { Published } from '../../resources/table-resource.ts';
import type { WriteOutcome } from '../../store/store.ts';
import { queryOf } from '../query-of.ts';
import { etagOf } from './conditions.ts';
import { markReplayed } from './idempotency-key.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

interface Written {
  readonly path: string;
  readonly outcome: WriteOutcome;
}

/**
 * What a handler gives back: JSON text, or undefined when it has sent the answer itself. Never the reply: it is a
 * thenable, and waiting for it would cost every request another round through the response's events.
 */
export type Answer = string | undefined;

/** The answer to a write of one record: 201 with its address, or 200. */
export function answerWritten(request: FastifyRequest, reply: FastifyReply, { path, outcome }: Written): Answer {
  const { id, seq, created, json } = outcome;
  markReplayed(reply, outcome);
  reply.code(created ? 201 : 200).header('etag', etagOf(seq));
  if (created) reply.header('location', `${path}/${encodeURIComponent(String(id))}`);
  if (!wantsMinimal(request, reply)) return answerJson(reply, json);
  if (!created) reply.code(204);
  return answerEmpty(reply);
}

export function answerJson(reply: FastifyReply, json: string): Answer {
  reply.header('content-type', JSON_TYPE);
  return json;
}

export function answerPublished(reply: FastifyReply, { seq, delivered, replayed = false }: Published): Answer {
  markReplayed(reply, { replayed });
  reply.code(202);
  return answerJson(reply, JSON.stringify({ seq, delivered }));
}

export function answerEmpty(reply: FastifyReply): undefined {
  reply.send();
}

/** RFC 7240 `Prefer: return=minimal`. */
export function wantsMinimal({ headers: { prefer } }: FastifyRequest, reply: FastifyReply): boolean {
  if (prefer === undefined || !/(?:^|[,;\s])return=minimal(?:$|[,;\s])/.test(String(prefer))) return false;
  reply.header('preference-applied', 'return=minimal');
  return true;
}

/** True when a POST is to be published instead of stored. Throws INVALID_QUERY for any other query. */
export function publishes(request: FastifyRequest): boolean {
  const query = queryOf(request);
  if (query === '') return false;
  if (query === 'publish=true' || query === 'publish=false') return query === 'publish=true';
  return refuseQuery(request) ?? false;
}

/** A parameter that is not known is never ignored: it may have been meant as a filter. */
export function refuseQuery(request: FastifyRequest): undefined {
  const query = queryOf(request);
  if (query === '' || query === 'publish=false') return undefined;
  throw new AppError('INVALID_QUERY', 'A write takes no query parameters but publish=true (on POST).');
}
