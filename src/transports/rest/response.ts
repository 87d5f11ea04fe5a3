import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { Column, Published } from '../../resources/table/types.ts';
import { type Body, type Representation, tagFor } from '../../server/content/content.ts';
import type { Awaitable, WriteOutcome } from '../../store/store.ts';
import type { RequestContext } from './request.ts';

interface WrittenRecord {
  /** Prefix of the record's key in an address that is relative to the address of the request. */
  readonly base?: string;
  readonly outcome: WriteOutcome;
  /** Columns of the record, for CSV. */
  readonly columns: () => readonly Column[];
}

/**
 * Result of a handler: the body, or undefined when it has sent the answer itself. Never the reply: it is a thenable, and
 * waiting for it would cost every request another round through the response's events.
 */
export type ResponseBody = Awaitable<Body | undefined>;

/** Entity tag of a record: its seq, strong, and for other content types than JSON their name: `"5"`, `"5-csv"`. */
export function etagOf(seq: number, { format }: Representation): string {
  return tagFor(`"${seq}"`, format);
}

/** Writes JSON text in the representation that was negotiated. */
export function respond(
  { content, reply, representation }: RequestContext,
  json: string,
  columns?: () => readonly Column[],
): ResponseBody {
  return content.write(reply, representation, json, columns);
}

export function respondEmpty(reply: FastifyReply): undefined {
  reply.send();
}

/** Answers a write of one record: 201 with its address, 200, or 204 with `Prefer: return=minimal`. */
export function respondWritten(context: RequestContext, { base = '', outcome, columns }: WrittenRecord): ResponseBody {
  const { id, seq, created, json } = outcome;
  const { request, reply, representation } = context;
  markReplayed(reply, outcome);
  reply
    .code(created ? 201 : 200)
    .header('etag', etagOf(seq, representation))
    .header('x-position', seq);
  // Relative (RFC 9110 §10.2.2): a proxy may have removed a part of the path.
  if (created) reply.header('location', base + encodeURIComponent(String(id)));
  if (!wantsMinimal(request, reply)) return respond(context, json, columns);
  if (!created) reply.code(204);
  return respondEmpty(reply);
}

/** Answers a message that was published and not stored: 202. */
export function respondPublished(
  context: RequestContext,
  { seq, delivered, replayed = false }: Published,
): ResponseBody {
  markReplayed(context.reply, { replayed });
  context.reply.code(202);
  return respond(context, JSON.stringify({ seq, delivered }));
}

/** Updates `X-Position` after a read that had to wait: the embedded store may have advanced until it read. */
export function movedOn(reply: FastifyReply, resource: { readonly head: number; readonly isRemote: boolean }) {
  return <T>(found: T): T => {
    if (!resource.isRemote) reply.header('x-position', resource.head);
    return found;
  };
}

/** Marks the answer of a request whose `Idempotency-Key` was used before. */
export function markReplayed(reply: FastifyReply, outcome: { readonly replayed?: boolean } | undefined): void {
  if (outcome?.replayed) reply.header('idempotency-replayed', 'true');
}

/** True for `Prefer: return=minimal` (RFC 7240), which the answer then confirms. */
export function wantsMinimal({ headers: { prefer } }: FastifyRequest, reply: FastifyReply): boolean {
  if (prefer === undefined || !/(?:^|[,;\s])return\s*=\s*"?minimal"?\s*(?:$|[,;])/i.test(String(prefer))) return false;
  reply.header('preference-applied', 'return=minimal');
  return true;
}

/** Explains a failed `If-Match` with a weak tag (RFC 9110 §13.1.1), which this server may have sent as a strong one. */
export function explainWeakTag(error: FastifyError, { headers }: FastifyRequest): FastifyError | AppError {
  const isOfTag = error instanceof AppError && error.code === 'PRECONDITION_FAILED';
  if (!isOfTag || !/(?:^|[\s,])W\/"/.test(headers['if-match'] ?? '')) return error;
  return new AppError('PRECONDITION_FAILED', WEAK_TAG);
}

const WEAK_TAG =
  'The ETag in If-Match is weak (W/"…") and never matches. A proxy that compresses answers has probably made it weak: let this server compress, or switch compression off in the proxy.';
