import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyError, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { Representation } from '../../server/content/content.ts';
import { seqOf, tagFor, tagIn } from '../../server/content/etag.ts';
import type { Precondition } from '../../store/store.ts';

/** A record's entity tag: its seq, strong, and for another content type than JSON its name: `"5"`, `"5-csv"`. */
export function etagOf(seq: number, { format }: Representation): string {
  return tagFor(`"${seq}"`, format);
}

/**
 * The tag of what the client has, when `If-None-Match` (RFC 9110 §13.1.2, weak comparison) says that it is still this;
 * else undefined. What it has may be compressed: that is the same only to one who would get it so again.
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
 * Lets a read go on when `If-Match` (RFC 9110 §13.1.1, strong comparison) names the record that was found, by its seq, or
 * says `*`. A list has none: its tag is weak, and so never matches. Throws PRECONDITION_FAILED.
 */
export function checkMatch({ 'if-match': header }: IncomingHttpHeaders, seq?: number): void {
  if (header === undefined || header.trim() === '*') return;
  if (seq !== undefined && seqsOf(header).includes(seq)) return;
  const message = seq === undefined ? 'Tags of lists are weak; If-Match takes strong ones.' : 'The record has changed.';
  throw new AppError('PRECONDITION_FAILED', message);
}

/** Conditions are about a record that is stored; a request that is about none must not ignore them. Throws BAD_REQUEST. */
export function refusePrecondition({ 'if-match': match, 'if-none-match': noneMatch }: IncomingHttpHeaders): void {
  if (match === undefined && noneMatch === undefined) return;
  throw new AppError(
    'BAD_REQUEST',
    'If-Match and If-None-Match are for PUT, PATCH and DELETE of one record; POST and writes by filter take neither.',
  );
}

/** What a write is conditional on: the record's seq, in whatever form the client has it. Weak tags never match (RFC 9110 §13.1.1, strong comparison). */
export function parsePrecondition(headers: IncomingHttpHeaders): Precondition | undefined {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match !== undefined && noneMatch !== undefined) {
    throw new AppError('BAD_REQUEST', 'If-Match and If-None-Match cannot both be met.');
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*') return 'none';
    throw new AppError('BAD_REQUEST', 'A write takes If-None-Match: * only.');
  }
  if (match === undefined) return undefined;
  if (match.trim() === '*') return 'any';
  return seqsOf(match);
}

/** For the routes of records: says why a weak tag has failed (RFC 9110 §13.1.1), which may be one that was strong here. */
export function explainWeakTag(error: FastifyError, { headers }: FastifyRequest): FastifyError | AppError {
  const isOfTag = error instanceof AppError && error.code === 'PRECONDITION_FAILED';
  if (!isOfTag || !/(?:^|[\s,])W\/"/.test(headers['if-match'] ?? '')) return error;
  return new AppError('PRECONDITION_FAILED', WEAK_TAG);
}

const WEAK_TAG =
  'The ETag in If-Match is weak (W/"…") and never matches. A proxy that compresses answers has probably made it weak: let this server compress, or switch compression off in the proxy.';

function seqsOf(tags: string): number[] {
  return tags.split(',').flatMap((tag) => seqOf(tag) ?? []);
}
