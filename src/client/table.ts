import type { Environment } from './connection/environment.ts';
import type { RequestOptions } from './connection/http.ts';
import type { LiveHub } from './live/live-hub.ts';
import type { LiveList, LiveOptions } from './live/live-list.ts';
import type { WriteStep } from './live/overlay.ts';
import type { Position, SubscribeOptions, Subscription } from './live/subscription.ts';
import { encode, type Query, tableSearch, withSearch } from './query.ts';
import type { TableRequest } from './requests.ts';
import type { CreateOf, IsUntyped, PatchOf, PutOf, RecordOf, Select, Selected, TypedQuery } from './table-types.ts';

type Id = string | number;

export interface WriteOptions extends RequestOptions {
  /** Writes only when the record has this seq, else PRECONDITION_FAILED. Null, with `put`: only when there is no such record. */
  readonly ifSeq?: Position | string | null;
  /** False to show the write when it is confirmed, also where the client has the option `optimistic`. */
  readonly optimistic?: false;
}

const METHODS = { create: 'POST', put: 'PUT', patch: 'PATCH', delete: 'DELETE' } as const;

export type CreateOptions = Omit<WriteOptions, 'ifSeq'>;

/** Asks a write for its position. */
interface WithPosition {
  readonly position: true;
}

/** Record that a write has stored, and the position of its change: `list.reached(position)` waits for it. */
export interface Written<R> {
  readonly record: R;
  readonly position: Position;
}

export interface Page<R> {
  readonly records: readonly R[];
  /** Last seq of the log when the page was read. A subscription with this `since` continues without a gap. */
  readonly position: Position;
  /** Value of `cursor` for the next page; undefined on the last page. */
  readonly next: string | undefined;
  /** Number of matching records; undefined without `count=true`. */
  readonly total: number | undefined;
}

export interface Published {
  readonly seq: Position;
  /** Number of subscriptions that receive the message. */
  readonly delivered: number;
}

/** Query of a table of these types; any query where nothing is known of the fields. */
export type QueryOf<T, S> = IsUntyped<T> extends true ? Query : TypedQuery<T, S>;

/**
 * Table of an application, given by its records or by its `TableTypes`. Of records alone the input of writes is partial: the
 * server sets some fields and checks required ones. With `select` as a list, results have just the selected fields.
 */
export class Table<T, R = RecordOf<T>, Create = CreateOf<T>, Patch = PatchOf<T>> {
  readonly #environment: Environment;
  readonly #name: string;
  readonly #url: string;
  readonly #hub: LiveHub;

  constructor(environment: Environment, name: string, hub: LiveHub) {
    this.#environment = environment;
    this.#name = name;
    this.#url = new URL(encode(name), environment.base).href;
    this.#hub = hub;
  }

  /**
   * Returns the matching records in the order of the query; one page of them.
   *
   * @throws TablecastError `INVALID_QUERY`
   */
  async list<const S extends Select<T> = string>(
    query?: QueryOf<T, S>,
    options?: RequestOptions,
  ): Promise<Selected<T, S>[]> {
    return [...(await this.page<S>(query, options)).records];
  }

  /**
   * Returns one page of records with its position and the cursor of the next page.
   *
   * @throws TablecastError `INVALID_QUERY`
   */
  async page<const S extends Select<T> = string>(
    query?: QueryOf<T, S>,
    options?: RequestOptions,
  ): Promise<Page<Selected<T, S>>> {
    const url = withSearch(this.#url, tableSearch(query as Query));
    const { readPage } = await loadRequests();
    return readPage(this.#environment, { url, method: 'GET', options });
  }

  /**
   * Returns one record; `query` may have `select`.
   *
   * @throws TablecastError `NOT_FOUND`
   */
  async get<const S extends Select<T> = string>(
    id: Id,
    query?: IsUntyped<T> extends true ? Query : string | { readonly select?: S },
    options?: RequestOptions,
  ): Promise<Selected<T, S>> {
    const url = withSearch(this.#recordUrl(id), tableSearch(query as Query));
    return (await this.#request<Selected<T, S>>({ url, method: 'GET', options })).record;
  }

  /**
   * Stores a new record, or all records of a list or none. Returns them as stored.
   *
   * @throws TablecastError `CONFLICT` when an id exists
   */
  create(record: Create, options: CreateOptions & WithPosition): Promise<Written<R>>;
  create(records: readonly Create[], options: CreateOptions & WithPosition): Promise<Written<R[]>>;
  create(record: Create, options?: CreateOptions): Promise<R>;
  create(records: readonly Create[], options?: CreateOptions): Promise<R[]>;
  create(input: Create | readonly Create[], options?: CreateOptions): Promise<unknown> {
    const steps = [input].flat().map((data): WriteStep => ({ op: 'create', table: this.#name, data }));
    return this.#write(steps, options, Array.isArray(input));
  }

  /** Creates or replaces a record. A field that is left out becomes null or its default. */
  put(id: Id, record: PutOf<T>, options: WriteOptions & WithPosition): Promise<Written<R>>;
  put(id: Id, record: PutOf<T>, options?: WriteOptions): Promise<R>;
  put(id: Id, record: PutOf<T>, options?: WriteOptions): Promise<unknown> {
    return this.#write(this.#step('put', id, record), options);
  }

  /**
   * Changes the given fields and leaves the others.
   *
   * @throws TablecastError `NOT_FOUND`
   */
  patch(id: Id, fields: Patch, options: WriteOptions & WithPosition): Promise<Written<R>>;
  patch(id: Id, fields: Patch, options?: WriteOptions): Promise<R>;
  patch(id: Id, fields: Patch, options?: WriteOptions): Promise<unknown> {
    return this.#write(this.#step('patch', id, fields), options);
  }

  /**
   * Deletes a record.
   *
   * @throws TablecastError `NOT_FOUND`
   */
  delete(id: Id, options: WriteOptions & WithPosition): Promise<Written<undefined>>;
  delete(id: Id, options?: WriteOptions): Promise<void>;
  delete(id: Id, options?: WriteOptions): Promise<unknown> {
    return this.#write(this.#step('delete', id), options);
  }

  /** Sends a message to the subscribers of the table, or of the record with this id. Nothing is stored. */
  async publish(data: unknown, { id, ...options }: RequestOptions & { readonly id?: Id } = {}): Promise<Published> {
    const url = withSearch(id === undefined ? this.#url : this.#recordUrl(id), 'publish=true');
    return (await this.#request<Published>({ url, method: 'POST', options, body: data })).record;
  }

  /**
   * Subscribes to the changes of the table, or of the matching records, from now on or after a position.
   *
   * @param query filter and parameters of the channel
   * @param options callbacks and start; without callbacks the frames are read by `for await`
   * @returns the subscription; errors arrive in `onError` and in its promise `ended`
   * @example
   * ```ts
   * // page.ts
   * import { connect } from 'tablecast/client';
   *
   * const client = connect<{ Task: { id: string; title: string } }>('https://example.com/my-app');
   * for await (const frame of client.tables.Task.subscribe('', { retained: true })) {
   *   if ('message_type' in frame) console.log(frame.message_type, frame.id);
   *   else if (frame.type === 'ready') break;
   * }
   * ```
   */
  subscribe<const S extends Select<T> = string>(
    query?: QueryOf<T, S>,
    options: SubscribeOptions<Selected<T, S>> = {},
  ): Subscription<Selected<T, S>> {
    return this.#hub.subscribe(this.#name, query as Query, options);
  }

  /**
   * Opens a list of the matching records that stays in sync with the server.
   *
   * @param query as of `list`. With `select` it has to include the fields that `sort` names.
   * @param options callbacks of the list
   * @returns the list, which is empty until its promise `ready` resolves
   * @example
   * ```ts
   * // page.ts
   * import { connect } from 'tablecast/client';
   *
   * const client = connect<{ Task: { id: string; title: string; done: boolean } }>('https://example.com/my-app');
   * const list = client.tables.Task.live('sort=title&limit=20');
   * await list.ready;
   * list.onChange((tasks) => {
   *   console.log(tasks.map(({ title }) => title).join(', '));
   *   list.close();
   * });
   * await client.tables.Task.create({ title: 'A new task' });
   * ```
   */
  live<const S extends Select<T> = string>(
    query?: QueryOf<T, S>,
    options: LiveOptions<Selected<T, S>> = {},
  ): LiveList<Selected<T, S>> {
    return this.#hub.live(this.#name, query as Query, options);
  }

  #recordUrl(id: Id): string {
    return `${this.#url}/${encodeURIComponent(id)}`;
  }

  #step(op: WriteStep['op'], id: Id, data?: unknown): readonly WriteStep[] {
    return [{ op, table: this.#name, id, data }];
  }

  /** Sends one write, or with `isList` the creation of a list of records. */
  async #write(steps: readonly WriteStep[], options: WriteOptions = {}, isList = false): Promise<unknown> {
    const { position: wanted = false, optimistic, ...others } = options as WriteOptions & Partial<WithPosition>;
    const { op, id, data } = steps[0] ?? { op: 'create' };
    const url = id === undefined ? this.#url : this.#recordUrl(id);
    const send = (named: readonly WriteStep[]): Promise<Written<unknown>> => {
      const body = isList ? named.map((step) => step.data) : op === 'create' ? named[0]?.data : data;
      return this.#request({ url, method: METHODS[op], options: others, body });
    };
    const { overlay } = this.#hub;
    const written = await (overlay === undefined || optimistic === false ? send(steps) : overlay.write(steps, send));
    return wanted ? written : written.record;
  }

  async #request<V>(request: TableRequest): Promise<Written<V>> {
    const { sendRequest } = await loadRequests();
    return sendRequest<V>(this.#environment, request);
  }
}

/** Loads what makes HTTP requests with the first of them: a page may have live lists alone. */
export const loadRequests = () => import('./requests.ts');
