import type { Coding } from './compress.ts';
import type { Format } from './formats.ts';

/** What a client may give back of a record's tag: its seq, and what has become of it on the way. */
const RECORD_TAG = /^\s*"(\d{1,16})(?:-(?:ndjson|csv|cbor|msgpack))?(?:-(?:br|gzip|deflate))?"\s*$/;

/** A tag as it is for another representation: `"5"` → `"5-csv"`. JSON without a coding has none. */
export function tagFor(etag: string, format: Format): string {
  return format === 'json' ? etag : extend(etag, format);
}

/**
 * The tag of the same representation in a coding. Strong tags differ, since the bytes do; a weak one says that the
 * content is the same, which it is (RFC 9110 §8.8.1).
 */
export function tagIn(etag: string, coding: Coding): string {
  return etag.startsWith('W/') ? etag : extend(etag, coding);
}

/** The seq in a strong tag of a record, whatever its content type and coding; undefined for any other tag. */
export function seqOf(tag: string): number | undefined {
  const seq = RECORD_TAG.exec(tag)?.[1];
  return seq === undefined ? undefined : Number(seq);
}

function extend(etag: string, suffix: string): string {
  return `${etag.slice(0, -1)}-${suffix}"`;
}
