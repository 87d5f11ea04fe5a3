import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CompressionConfig } from '../../config/config.ts';
import type { Column } from '../../resources/table/types.ts';
import { loadBinary } from './binary.ts';
import { type Coding, compress } from './compress.ts';
import type { Format } from './formats.ts';
import { type Chosen, chooseCoding, chooseFormat } from './negotiate.ts';

/** Content type and coding of a response. */
export interface Representation extends Chosen {
  /** Content coding of bodies above the threshold; undefined for none. */
  readonly coding: Coding | undefined;
}

export type Body = string | Buffer;

/** `Vary` of the responses of tables. */
export const VARY = 'Accept, Accept-Encoding';

const JSON_TYPE = 'application/json; charset=utf-8';
const PLAIN: Representation = { format: 'json', contentType: JSON_TYPE, coding: undefined };

/** Combinations of Accept headers that are cached; clients use few. */
const MAX_CACHED_REPRESENTATIONS = 200;

/** Converts the JSON of tables to the representation that each client asks for. */
export class Content {
  readonly #compression: CompressionConfig;
  readonly #cached = new Map<string, Representation>();

  constructor(compression: CompressionConfig) {
    this.#compression = compression;
  }

  /** Negotiates the representation of a response. Throws NOT_ACCEPTABLE, so call it before anything is written. */
  negotiate({ headers }: FastifyRequest): Representation {
    const accept = headers.accept;
    const encoding = this.#compression.enabled ? headers['accept-encoding'] : undefined;
    const json = accept === undefined || accept === '*/*' || accept === 'application/json';
    if (json && encoding === undefined) return PLAIN;
    const key = `${accept ?? ''}\n${String(encoding ?? '')}`;
    const cached = this.#cached.get(key);
    if (cached !== undefined) return cached;
    const chosen = { ...chooseFormat(accept), coding: chooseCoding(encoding as string | undefined) };
    if (this.#cached.size >= MAX_CACHED_REPRESENTATIONS) this.#cached.clear();
    this.#cached.set(key, chosen);
    return chosen;
  }

  /** Returns the body for JSON text and sets its headers. `columns`: see `represent`. */
  write(
    reply: FastifyReply,
    chosen: Representation,
    json: string,
    columns?: () => readonly Column[],
  ): Body | Promise<Body> {
    reply.header('content-type', chosen.contentType);
    const { format, coding } = chosen;
    if (format === 'json') return coding === undefined ? json : this.#compress(reply, coding, json);
    return this.#represent(reply, { ...chosen, format }, json, columns);
  }

  async #represent(
    reply: FastifyReply,
    { format, coding }: Representation & { readonly format: Exclude<Format, 'json'> },
    json: string,
    columns: (() => readonly Column[]) | undefined,
  ): Promise<Body> {
    const body = await represent(json, format, format === 'csv' ? columns?.() : undefined);
    return coding === undefined ? body : this.#compress(reply, coding, body);
  }

  #compress(reply: FastifyReply, coding: Coding, body: Body): Body | Promise<Body> {
    // A string has at least as many bytes as characters.
    if (body.length < this.#compression.threshold) return body;
    reply.header('content-encoding', coding);
    const etag = reply.getHeader('etag');
    if (typeof etag === 'string') reply.header('etag', tagIn(etag, coding));
    return compress(typeof body === 'string' ? Buffer.from(body) : body, coding);
  }
}

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

/** Converts the JSON text of an object or a list to another format. `columns` of CSV default to the first object's keys. */
export async function represent(
  json: string,
  format: Exclude<Format, 'json'>,
  columns?: readonly Column[],
): Promise<string | Buffer> {
  const value: unknown = JSON.parse(json);
  if (format === 'cbor' || format === 'msgpack') {
    const bytes = (await loadBinary(format)).encode(value);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  const rows = (Array.isArray(value) ? value : [value]) as readonly JsonRow[];
  return format === 'ndjson' ? toLines(rows) : toCsv(rows, columns ?? columnsOf(rows[0]));
}

type JsonRow = Readonly<Record<string, unknown>>;

function toLines(rows: readonly JsonRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

function columnsOf(row: JsonRow = {}): readonly Column[] {
  return Object.keys(row).map((name) => ({ name, isJson: false }));
}

/**
 * Formats CSV (RFC 4180) with a header. Text that a spreadsheet would read as a formula is not changed: it is data, and
 * escapes would not survive a round trip.
 */
export function toCsv(rows: readonly JsonRow[], columns: readonly Column[]): string {
  const lines = rows.map((row) => columns.map(({ name, isJson }) => toCell(row[name], isJson)).join(','));
  return [columns.map(({ name }) => toCell(name, false)).join(','), ...lines, ''].join('\r\n');
}

/** Formats a cell: null is an empty cell, so the empty string is quoted. */
function toCell(value: unknown, isJson: boolean): string {
  if (value === null || value === undefined) return '';
  const text = isJson || typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text === '' || /[",\r\n]/.test(text) || text.trim() !== text ? `"${text.replaceAll('"', '""')}"` : text;
}
