import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { BatchBody } from '../../resources/body/batch-body.ts';
import { makeIdempotencyKey } from '../../resources/idempotency.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { WriteOptions } from '../../resources/table/types.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { type Content, type Representation, seqOf, tagIn } from '../../server/content/content.ts';
import { identityOf, queryOf } from '../../server/request.ts';
import type { Precondition } from '../../store/rows/write.ts';
import type { Awaitable, IdempotencyKey } from '../../store/store.ts';

/** A request with the representation of its answer. */
export interface RequestContext {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly content: Content;
  readonly representation: Representation;
}

/** Negotiates the representation of the answer. Throws NOT_ACCEPTABLE. */
export function beginRequest(content: Content, request: FastifyRequest, reply: FastifyReply): RequestContext {
  return { request, reply, content, representation: content.negotiate(request) };
}

/**
 * Calls `read` when this server knows the position in `X-Min-Position`, or cannot wait any longer; at once for a request
 * without it. Throws BAD_REQUEST for a value that is no position.
 */
export function atPosition<T>(
  { headers: { 'x-min-position': value } }: FastifyRequest,
  resource: Pick<TableResource, 'hasReached'>,
  read: () => Awaitable<T>,
): Awaitable<T> {
  if (value === undefined) return read();
  const position = Number(value);
  if (!/^\d{1,16}$/.test(String(value)) || !Number.isSafeInteger(position)) {
    throw new AppError('BAD_REQUEST', 'X-Min-Position must be a position, such as the X-Position of a response.');
  }
  const reached = resource.hasReached(position);
  return reached instanceof Promise ? reached.then(read) : read();
}

/** Throws INVALID_QUERY. An unknown parameter is never ignored: it may have been meant as a filter. */
export function refuseQuery(request: FastifyRequest): undefined {
  const query = queryOf(request);
  if (query === '' || query === 'publish=false') return undefined;
  throw new AppError('INVALID_QUERY', 'A write accepts no query parameters except publish=true (on POST).');
}

/** True when a POST is published instead of stored. Throws INVALID_QUERY for any other query. */
export function publishes(request: FastifyRequest): boolean {
  const query = queryOf(request);
  if (query === '') return false;
  if (query === 'publish=true' || query === 'publish=false') return query === 'publish=true';
  return refuseQuery(request) ?? false;
}

/** Throws INVALID_QUERY for a value of `stream` other than `sse`, unless the table has a field of that name. */
export function checkStreamParameter(rawQuery: string, { fields }: TablePlan): void {
  if (rawQuery === '') return;
  const stream = /(?:^|&)stream=([^&]*)/.exec(rawQuery)?.[1];
  if (stream === undefined || fields.some(({ name }) => name === 'stream')) return;
  const message = /^ws$/i.test(stream)
    ? 'A WebSocket is opened by an upgrade, without a parameter; stream=sse opens a stream of Server-Sent Events.'
    : 'stream must be sse, in lower case: it opens a stream of Server-Sent Events.';
  throw new AppError('INVALID_QUERY', message);
}

/** Body of a request for a single record or message. Throws UNSUPPORTED_MEDIA_TYPE for a batch of records. */
export function oneBody({ body }: FastifyRequest): unknown {
  if (!(body instanceof BatchBody)) return body;
  throw new AppError(
    'UNSUPPORTED_MEDIA_TYPE',
    'NDJSON and CSV are many records, which only POST to a table creates. Send JSON, CBOR or MessagePack here.',
  );
}

/**
 * Tag of the copy that the client has, when `If-None-Match` (RFC 9110 §13.1.2, weak comparison) names the current
 * representation; undefined otherwise. A compressed copy only matches a client that accepts the same compression again.
 */
export function cachedTag(
  { 'if-none-match': header }: IncomingHttpHeaders,
  etag: string,
  { coding }: Representation,
): string | undefined {
  if (header === undefined) return undefined;
  if (header === etag || header === '*') return etag;
  const known = header.split(',').map(opaque);
  if (known.includes(opaque(etag))) return etag;
  const coded = coding === undefined ? etag : tagIn(etag, coding);
  return known.includes(opaque(coded)) ? coded : undefined;
}

function opaque(tag: string): string {
  return tag.trim().replace(/^W\//, '');
}

/**
 * Accepts a read when `If-Match` (RFC 9110 §13.1.1, strong comparison) is absent, is `*`, or names the record that was
 * found by its seq. A list has no seq: its tag is weak, which never matches. Throws PRECONDITION_FAILED.
 */
export function checkMatch({ 'if-match': header }: IncomingHttpHeaders, seq?: number): void {
  if (header === undefined || header.trim() === '*') return;
  if (seq !== undefined && seqsOf(header).includes(seq)) return;
  const message =
    seq === undefined ? 'Tags of lists are weak; If-Match accepts strong ones.' : 'The record has changed.';
  throw new AppError('PRECONDITION_FAILED', message);
}

/** Throws BAD_REQUEST for a condition on a request that addresses no stored record: it must not be ignored. */
export function refusePrecondition({ 'if-match': match, 'if-none-match': noneMatch }: IncomingHttpHeaders): void {
  if (match === undefined && noneMatch === undefined) return;
  throw new AppError(
    'BAD_REQUEST',
    'If-Match and If-None-Match are for PUT, PATCH and DELETE of one record; POST and writes by filter accept neither.',
  );
}

/**
 * Condition of a write: seqs of the record, in whatever representation the client has it. Weak tags never match (RFC 9110
 * §13.1.1, strong comparison). Throws BAD_REQUEST for a condition that a write cannot have.
 */
export function parsePrecondition(headers: IncomingHttpHeaders): Precondition | undefined {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match !== undefined && noneMatch !== undefined) {
    throw new AppError('BAD_REQUEST', 'If-Match and If-None-Match cannot both be met.');
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*') return 'none';
    throw new AppError('BAD_REQUEST', 'A write accepts If-None-Match: * only.');
  }
  if (match === undefined) return undefined;
  if (match.trim() === '*') return 'any';
  return seqsOf(match);
}

function seqsOf(tags: string): number[] {
  return tags.split(',').flatMap((tag) => seqOf(tag) ?? []);
}

/** A string of RFC 8941 §3.3.3, or a bare word; both of printable ASCII. */
const KEY = /^(?:"((?:[ !#-[\]-~]|\\["\\])+)"|([!#-+\--:<-~]+))$/;
const MAX_KEY_CHARS = 256;

/** Value of `Idempotency-Key`; undefined without the header. Throws BAD_REQUEST for an invalid key. */
export function parseIdempotencyKey({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  const header = headers['idempotency-key'];
  if (header === undefined) return undefined;
  const [, quoted, bare] = KEY.exec(String(header)) ?? [];
  const key = quoted?.replace(/\\(.)/g, '$1') ?? bare;
  if (key === undefined || key.length > MAX_KEY_CHARS) {
    throw new AppError(
      'BAD_REQUEST',
      `Idempotency-Key is one string of 1 to ${MAX_KEY_CHARS} printable ASCII characters, in quotes or without spaces.`,
    );
  }
  return key;
}

/** Identifies a request with an `Idempotency-Key`; undefined without the header. Throws BAD_REQUEST for an invalid key. */
export function idempotencyKeyOf(request: FastifyRequest, { table }: TableResource): IdempotencyKey | undefined {
  const key = parseIdempotencyKey(request);
  if (key === undefined) return undefined;
  const { 'if-match': match, 'if-none-match': noneMatch } = request.headers;
  const parts = [request.method, request.raw.url, match ?? null, noneMatch ?? null, request.body ?? null];
  return makeIdempotencyKey({ table, identity: identityOf(request), space: 'http', key, parts });
}

/** Condition and idempotency key of a write of one record; undefined without either. Throws BAD_REQUEST. */
export function optionsOf(request: FastifyRequest, resource: TableResource): WriteOptions | undefined {
  const precondition = parsePrecondition(request.headers);
  const once = idempotencyKeyOf(request, resource);
  if (precondition === undefined && once === undefined) return undefined;
  return { ...(precondition === undefined ? {} : { precondition }), ...(once === undefined ? {} : { once }) };
}
