import type { Coding } from './compress.ts';
import type { Format } from './formats.ts';

/** ETag of a record as a client may send it back: its seq, with the suffixes of format and coding. */
const RECORD_TAG = /^\s*"(\d{1,16})(?:-(?:ndjson|csv|cbor|msgpack))?(?:-(?:br|gzip|deflate))?"\s*$/;

/** Returns the tag of another format: `"5"` → `"5-csv"`. JSON has no suffix. */
export function tagFor(etag: string, format: Format): string {
  return format === 'json' ? etag : extend(etag, format);
}

/**
 * Returns the tag of the same representation in a coding. Strong tags differ, since the bytes do; a weak tag stays, since
 * the content is the same (RFC 9110 §8.8.1).
 */
export function tagIn(etag: string, coding: Coding): string {
  return etag.startsWith('W/') ? etag : extend(etag, coding);
}

/** Returns the seq in a strong tag of a record, whatever its format and coding; undefined for any other tag. */
export function seqOf(tag: string): number | undefined {
  const seq = RECORD_TAG.exec(tag)?.[1];
  return seq === undefined ? undefined : Number(seq);
}

function extend(etag: string, suffix: string): string {
  return `${etag.slice(0, -1)}-${suffix}"`;
}
