import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CompressionConfig } from '../../config/config.ts';
import type { Column } from '../../resources/table/types.ts';
import { type Coding, compress } from './compress.ts';
import { tagIn } from './etag.ts';
import type { Format } from './formats.ts';
import { type Chosen, chooseCoding, chooseFormat } from './negotiate.ts';
import { represent } from './represent.ts';

/** In what form a client wants its answer. */
export interface Representation extends Chosen {
  /** For a body that is worth it. */
  readonly coding: Coding | undefined;
}

export type Body = string | Buffer;

/** What the answers of the tables depend on, for caches. */
export const VARY = 'Accept, Accept-Encoding';

const JSON_TYPE = 'application/json; charset=utf-8';
const PLAIN: Representation = { format: 'json', contentType: JSON_TYPE, coding: undefined };

/** Different wishes that are kept; clients have few. */
const KEPT = 200;

/** Puts the JSON of the tables into the form that each client asks for. */
export class Content {
  readonly #compression: CompressionConfig;
  readonly #wishes = new Map<string, Representation>();

  constructor(compression: CompressionConfig) {
    this.#compression = compression;
  }

  /** What the request asks for. Throws NOT_ACCEPTABLE: so ask before anything is done. */
  wishOf({ headers }: FastifyRequest): Representation {
    const accept = headers.accept;
    const encoding = this.#compression.enabled ? headers['accept-encoding'] : undefined;
    const json = accept === undefined || accept === '*/*' || accept === 'application/json';
    if (json && encoding === undefined) return PLAIN;
    const key = `${accept ?? ''}\n${String(encoding ?? '')}`;
    const kept = this.#wishes.get(key);
    if (kept !== undefined) return kept;
    const wish = { ...chooseFormat(accept), coding: chooseCoding(encoding as string | undefined) };
    if (this.#wishes.size >= KEPT) this.#wishes.clear();
    this.#wishes.set(key, wish);
    return wish;
  }

  /** The body for JSON text, with the header fields that belong to it. `columns`: see `represent`. */
  write(
    reply: FastifyReply,
    wish: Representation,
    json: string,
    columns?: () => readonly Column[],
  ): Body | Promise<Body> {
    reply.header('content-type', wish.contentType);
    const { format } = wish;
    if (format === 'json') return wish.coding === undefined ? json : this.#compress(reply, wish.coding, json);
    return this.#represent(reply, { ...wish, format }, json, columns);
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
    // A text has at least as many bytes as characters.
    if (body.length < this.#compression.threshold) return body;
    reply.header('content-encoding', coding);
    const etag = reply.getHeader('etag');
    if (typeof etag === 'string') reply.header('etag', tagIn(etag, coding));
    return compress(typeof body === 'string' ? Buffer.from(body) : body, coding);
  }
}
