import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { makeIdempotencyKey } from '../../resources/idempotency.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { WriteOptions } from '../../resources/table/types.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import type { IdempotencyKey } from '../../store/store.ts';
import { parsePrecondition } from './conditions.ts';

/** A string of RFC 8941 §3.3.3, or a bare word; both of printable ASCII. */
const KEY = /^(?:"((?:[ !#-[\]-~]|\\["\\])+)"|([!#-+\--:<-~]+))$/;
const MAX_KEY = 256;

/** The text of `Idempotency-Key`; undefined without one. Throws BAD_REQUEST for a bad key. */
export function parseIdempotencyKey({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  const header = headers['idempotency-key'];
  if (header === undefined) return undefined;
  const [, quoted, bare] = KEY.exec(String(header)) ?? [];
  const key = quoted?.replace(/\\(.)/g, '$1') ?? bare;
  if (key === undefined || key.length > MAX_KEY) {
    throw new AppError(
      'BAD_REQUEST',
      `Idempotency-Key is one string of 1 to ${MAX_KEY} printable ASCII characters, in quotes or without spaces.`,
    );
  }
  return key;
}

/** What a request with an `Idempotency-Key` is known by; undefined without one. Throws BAD_REQUEST for a bad key. */
export function idempotencyKeyOf(request: FastifyRequest, { table }: TableResource): IdempotencyKey | undefined {
  const key = parseIdempotencyKey(request);
  if (key === undefined) return undefined;
  const { 'if-match': match, 'if-none-match': noneMatch } = request.headers;
  const parts = [request.method, request.raw.url, match ?? null, noneMatch ?? null, request.body ?? null];
  return makeIdempotencyKey({ table, identity: identityOf(request), space: 'http', key, parts });
}

/** What a write of one record depends on, from the header fields. */
export function optionsOf(request: FastifyRequest, resource: TableResource): WriteOptions | undefined {
  const precondition = parsePrecondition(request.headers);
  const once = idempotencyKeyOf(request, resource);
  if (precondition === undefined && once === undefined) return undefined;
  return { ...(precondition === undefined ? {} : { precondition }), ...(once === undefined ? {} : { once }) };
}

/** Says when the answer is that of an earlier request. */
export function markReplayed(reply: FastifyReply, written: { readonly replayed?: boolean } | undefined): void {
  if (written?.replayed) reply.header('idempotency-replayed', 'true');
}
