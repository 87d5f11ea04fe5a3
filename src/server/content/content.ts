import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CompressionConfig } from '../../config/config.ts';
import type { Column } from '../../resources/table/types.ts';
import { type Coding, compress } from './compress.ts';
import { tagIn } from './etag.ts';
import type { Format } from './formats.ts';
import { type Chosen, chooseCoding, chooseFormat } from './negotiate.ts';
import { represent } from './represent.ts';

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
