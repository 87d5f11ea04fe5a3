import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../../errors.ts';
import type { Precondition } from '../../store/store.ts';

/** A record's entity tag: its seq, strong. */
export function etagOf(seq: number): string {
  return `"${seq}"`;
}

/** True when `If-None-Match` (RFC 9110 §13.1.2, weak comparison) has the tag. */
export function isCached({ 'if-none-match': header }: IncomingHttpHeaders, etag: string): boolean {
  if (header === undefined) return false;
  if (header === etag || header === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === opaque);
}

/** What a write is conditional on. Weak tags never match (RFC 9110 §13.1.1, strong comparison). */
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
  return match.split(',').flatMap((tag) => {
    const seq = /^\s*"(\d{1,16})"\s*$/.exec(tag)?.[1];
    return seq === undefined ? [] : [Number(seq)];
  });
}
