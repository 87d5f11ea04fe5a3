import type { Environment } from './connection/environment.ts';
import { type RequestOptions, request } from './connection/http.ts';
import { LiveList, type LiveOptions } from './live/live-list.ts';
import { type SubscribeOptions, Subscription } from './live/subscription.ts';
import { encode, type Query, tableSearch, takeOut, withSearch } from './query.ts';

type Id = string | number;

export interface WriteOptions extends RequestOptions {
  /** Only when the record's seq is this; null, with `put`: only when there is no such record. */
  readonly ifSeq?: number | null;
}

export interface Page<R> {
  readonly records: readonly R[];
  /** The head of the log at that moment: `since` it, a subscription continues without a gap. */
  readonly position: number;
  /** The `cursor` of the next page, if there is one. */
  readonly next: string | undefined;
  /** How many match in all; with `count=true`. */
  readonly total: number | undefined;
}

export interface Published {
  readonly seq: number;
  /** How many subscriptions it went to. */
  readonly delivered: number;
}

/** Input of writes is partial by default: the server sets some fields, and says what is required. */
export class Table<R, Create = Partial<R>, Patch = Partial<R>> {
  readonly #environment: Environment;
  readonly #url: string;
  readonly #onOpen: (subscription: Subscription<R>) => void;

  constructor(environment: Environment, name: string, onOpen: (subscription: Subscription<R>) => void) {
    this.#environment = environment;
    this.#url = new URL(encode(name), environment.base).href;
    this.#onOpen = onOpen;
  }

  /** The records that match, in the order of the query; one page of them. */
  async list(query?: Query, options?: RequestOptions): Promise<R[]> {
    return [...(await this.page(query, options)).records];
  }

  async page(query?: Query, options?: RequestOptions): Promise<Page<R>> {
    const response = await this.#ask('GET', withSearch(this.#url, tableSearch(query)), options);
    const { headers } = response;
    const total = headers.get('x-total-count');
    const next = /<[^>]*[?&]cursor=([^&>]*)[^>]*>;\s*rel="?next/.exec(headers.get('link') ?? '');
    return {
      records: (await response.json()) as R[],
      position: Number(headers.get('x-position')),
      next: next?.[1] === undefined ? undefined : decodeURIComponent(next[1]),
      total: total === null ? undefined : Number(total),
    };
  }

  /** One record; `query` may have `select`. Throws `NOT_FOUND`. */
  async get(id: Id, query?: Query, options?: RequestOptions): Promise<R> {
    return (await this.#ask('GET', withSearch(this.#of(id), tableSearch(query)), options)).json() as Promise<R>;
  }

  /** Stores a new record, or all of a list or none; gives them in full. Throws `CONFLICT` where the id is taken. */
  create(record: Create, options?: RequestOptions): Promise<R>;
  create(records: readonly Create[], options?: RequestOptions): Promise<R[]>;
  async create(input: Create | readonly Create[], options?: RequestOptions): Promise<R | R[]> {
    return (await this.#ask('POST', this.#url, options, input)).json() as Promise<R | R[]>;
  }

  /** Creates or replaces; a field that is not given is null or its default. */
  async put(id: Id, record: Create, options?: WriteOptions): Promise<R> {
    return (await this.#ask('PUT', this.#of(id), options, record)).json() as Promise<R>;
  }

  /** Changes the fields that are given. */
  async patch(id: Id, fields: Patch, options?: WriteOptions): Promise<R> {
    return (await this.#ask('PATCH', this.#of(id), options, fields)).json() as Promise<R>;
  }

  async delete(id: Id, options?: WriteOptions): Promise<void> {
    await this.#ask('DELETE', this.#of(id), options);
  }

  /** Tells it to whoever listens to the table, or to the record with this id; nothing is stored. */
  async publish(data: unknown, { id, ...options }: RequestOptions & { readonly id?: Id } = {}): Promise<Published> {
    const url = withSearch(id === undefined ? this.#url : this.#of(id), 'publish=true');
    return (await this.#ask('POST', url, options, data)).json() as Promise<Published>;
  }

  /** Every change of the table, or of what matches the query, from now on or from a position. */
  subscribe(query?: Query, options: SubscribeOptions<R> = {}): Subscription<R> {
    const subscription = new Subscription<R>(this.#environment, this.#url, query, options);
    this.#onOpen(subscription);
    return subscription;
  }

  /** What matches the query, kept as GET would give it. What it is sorted by has to be in `select`, where there is one. */
  live(query?: Query, options: LiveOptions<R> = {}): LiveList<R> {
    const { rest, taken } = takeOut(tableSearch(query), 'sort', 'limit', 'offset', 'since', 'retained');
    return new LiveList((callbacks) => this.subscribe(rest, callbacks), taken, options);
  }

  #of(id: Id): string {
    return `${this.#url}/${encodeURIComponent(id)}`;
  }

  #ask(method: string, url: string, { ifSeq, ...options }: WriteOptions = {}, body?: unknown): Promise<Response> {
    const headers = { ...options.headers };
    if (ifSeq === null) headers['if-none-match'] = '*';
    else if (ifSeq !== undefined) headers['if-match'] = `"${ifSeq}"`;
    return request(this.#environment, url, { ...options, headers, method, ...(body !== undefined && { body }) });
  }
}
