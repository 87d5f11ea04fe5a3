import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { Column, Published } from '../../resources/table/types.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Body, Content, Representation } from '../../server/content/content.ts';
import { queryOf } from '../../server/query-of.ts';
import type { Awaitable, WriteOutcome } from '../../store/store.ts';
import { etagOf } from './conditions.ts';
import { markReplayed } from './idempotency-key.ts';

/** One request, and how its answer is to be written. */
export interface RequestContext {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly content: Content;
  readonly wish: Representation;
}

interface Written {
  /** What leads from the address that was asked for to the record's, beside its key. */
  readonly base?: string;
  readonly outcome: WriteOutcome;
  /** Of a record, for CSV. */
  readonly columns: () => readonly Column[];
}

/**
 * What a handler gives back: the body, or undefined when it has sent the answer itself. Never the reply: it is a
 * thenable, and waiting for it would cost every request another round through the response's events.
 */
export type ResponseBody = Awaitable<Body | undefined>;

/** Throws NOT_ACCEPTABLE. */
export function beginRequest(content: Content, request: FastifyRequest, reply: FastifyReply): RequestContext {
  return { request, reply, content, wish: content.wishOf(request) };
}

/** The answer to a write of one record: 201 with its address, or 200. */
export function respondWritten(exchange: RequestContext, { base = '', outcome, columns }: Written): ResponseBody {
  const { id, seq, created, json } = outcome;
  const { request, reply, wish } = exchange;
  markReplayed(reply, outcome);
  reply.code(created ? 201 : 200).header('etag', etagOf(seq, wish));
  // Relative (RFC 9110 §10.2.2): a proxy may have taken something from the path.
  if (created) reply.header('location', base + encodeURIComponent(String(id)));
  if (!wantsMinimal(request, reply)) return respond(exchange, json, columns);
  if (!created) reply.code(204);
  return respondEmpty(reply);
}

/** JSON text in the form that was asked for. */
export function respond(
  { content, reply, wish }: RequestContext,
  json: string,
  columns?: () => readonly Column[],
): ResponseBody {
  return content.write(reply, wish, json, columns);
}

export function respondPublished(
  exchange: RequestContext,
  { seq, delivered, replayed = false }: Published,
): ResponseBody {
  markReplayed(exchange.reply, { replayed });
  exchange.reply.code(202);
  return respond(exchange, JSON.stringify({ seq, delivered }));
}

/** For what had to be waited for: the store has gone on meanwhile, and so has the position. */
export function movedOn(reply: FastifyReply, resource: { readonly head: number }) {
  return <T>(found: T): T => {
    reply.header('x-position', resource.head);
    return found;
  };
}

export function respondEmpty(reply: FastifyReply): undefined {
  reply.send();
}

/** RFC 7240 `Prefer: return=minimal`. */
export function wantsMinimal({ headers: { prefer } }: FastifyRequest, reply: FastifyReply): boolean {
  if (prefer === undefined || !/(?:^|[,;\s])return\s*=\s*"?minimal"?\s*(?:$|[,;])/i.test(String(prefer))) return false;
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

/** Throws INVALID_QUERY for a stream that is asked for by another word than its own; a table may have a field of that name. */
export function checkStreamParameter(rawQuery: string, { fields }: TablePlan): void {
  if (rawQuery === '') return;
  const asked = /(?:^|&)stream=([^&]*)/.exec(rawQuery)?.[1];
  if (asked === undefined || fields.some(({ name }) => name === 'stream')) return;
  const message = /^ws$/i.test(asked)
    ? 'A WebSocket is opened by an upgrade, without a parameter; stream=sse opens a stream of Server-Sent Events.'
    : 'stream takes sse, in small letters: it opens a stream of Server-Sent Events.';
  throw new AppError('INVALID_QUERY', message);
}

/** A parameter that is not known is never ignored: it may have been meant as a filter. */
export function refuseQuery(request: FastifyRequest): undefined {
  const query = queryOf(request);
  if (query === '' || query === 'publish=false') return undefined;
  throw new AppError('INVALID_QUERY', 'A write takes no query parameters but publish=true (on POST).');
}
