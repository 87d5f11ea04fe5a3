import type { Status } from '../connection/link.ts';
import type { Ack, Envelope } from '../connection/outbox.ts';
import { asError, closedError, type TablecastError } from '../error.ts';
import type { ChangeFrame } from './frames.ts';
import { IDLE, type LiveQuery, type LiveSnapshot, type QueryView } from './live-query.ts';
import type { Position } from './subscription.ts';

type Id = string | number;
type OnChange<R> = (records: readonly R[], frame?: ChangeFrame<R>, frames?: readonly ChangeFrame<R>[]) => void;

export interface LiveOptions<R> {
  /** The list of one record, which is empty when there is none. */
  readonly id?: Id;
  /** Id that scopes the `ref`s of `send`, over a connection of its own. */
  readonly client?: string;
  /**
   * False to end the list with `INVALID_QUERY` where the server does not follow its window. By default all records that match
   * are loaded then, and the window is cut out of them.
   */
  readonly fallback?: boolean;
  /** True to open the list with its first listener and to close it with its last one. */
  readonly lazy?: boolean;
  /**
   * Called after changes, at most once for each frame of the window, and once after a reconnect has caught up. `frame` is
   * there when it was one change, `frames` has all of them.
   */
  onChange?(records: readonly R[], frame?: ChangeFrame<R>, frames?: readonly ChangeFrame<R>[]): void;
  onStatus?(status: Status): void;
  onError?(error: TablecastError): void;
}

/** Opens the shared query of a list with this many records more than its `limit`. */
export type OpenQuery<R> = (more: number) => LiveQuery<R>;

/**
 * List that stays in sync with the server: `records` equals what GET with the same query would return. With `limit` or
 * `offset` it has the records of that window alone. Lists of a client with the same query share one subscription.
 */
export class LiveList<R> {
  /** Resolves when the list is complete for the first time; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves after `close`; rejects with the error that ended the list. */
  readonly ended: Promise<void>;
  readonly #openQuery: OpenQuery<R>;
  readonly #options: LiveOptions<R>;
  /** Called with the changes, and without any when the list has ended. */
  readonly #listeners = new Set<(frames?: readonly ChangeFrame<R>[]) => void>();
  readonly #view: QueryView<R>;
  #query: LiveQuery<R> | undefined;
  #more = 0;
  #closed: LiveSnapshot<R> | undefined;
  #resolveReady: () => void = () => {};
  #resolveEnded: () => void = () => {};
  #rejectEnded: (error: TablecastError) => void = () => {};

  constructor(openQuery: OpenQuery<R>, options: LiveOptions<R>) {
    this.#openQuery = openQuery;
    this.#options = options;
    this.ended = new Promise((resolve, reject) => {
      this.#resolveEnded = resolve;
      this.#rejectEnded = reject;
    });
    const whole = new Promise<void>((resolve) => {
      this.#resolveReady = resolve;
    });
    this.ready = Promise.race([whole, this.ended]);
    this.ready.catch(() => {});
    this.#view = {
      changed: (frames) => this.#notify(frames),
      status: (status) => this.#options.onStatus?.(status),
      ended: (error) => this.#end(error),
    };
    if (options.onChange !== undefined) this.onChange((...args) => options.onChange?.(...args));
    else if (options.lazy !== true) this.#acquire();
  }

  /** Records in the order of the query, within `limit` and `offset`. The same array until something changes. */
  get records(): readonly R[] {
    return this.getSnapshot().data;
  }

  /** Number of matching records that are known: of a window those in it, else all. */
  get size(): number {
    return this.getSnapshot().size;
  }

  /** Number of all matching records, also outside of the window; undefined without `count=true`. */
  get total(): number | undefined {
    return this.getSnapshot().total;
  }

  get status(): Status {
    return this.#closed === undefined ? (this.#query?.status ?? 'connecting') : 'closed';
  }

  get position(): Position | undefined {
    return this.getSnapshot().position;
  }

  get(id: Id): R | undefined {
    return this.#query?.get(id);
  }

  /** Returns the position of the last change of a record, for `ifSeq` of a write. */
  seq(id: Id): Position | undefined {
    return this.#query?.seq(id);
  }

  /** Returns the state of the list: the same immutable object until something changes. */
  getSnapshot(): LiveSnapshot<R> {
    return this.#closed ?? this.#query?.snapshot() ?? IDLE;
  }

  /**
   * Calls the listener at once and after each change of the snapshot, at most once a frame. Returns a function that ends
   * it: a store of Svelte, and with `getSnapshot` one of React.
   */
  subscribe(run: (snapshot: LiveSnapshot<R>) => void): () => void {
    const stop = this.listen(() => run(this.getSnapshot()));
    run(this.getSnapshot());
    return stop;
  }

  /** Calls the listener after each change of the snapshot, but not at once. Returns a function that ends it. */
  listen(run: () => void): () => void {
    return this.#add(() => run());
  }

  /** Adds a listener for changes. Returns a function that removes it. */
  onChange(listener: OnChange<R>): () => void {
    return this.#add((frames) => {
      if (frames !== undefined) listener(this.records, frames.length === 1 ? frames[0] : undefined, frames);
    });
  }

  /**
   * Resolves when the list shows the state at this position, that of a write for instance, or a later one. Rejects when
   * the list ends before.
   */
  async reached(position: Position | string): Promise<void> {
    await Promise.race([this.#acquire().reached(Number(position)), this.ended]);
    if (this.#closed !== undefined) throw closedError('list');
  }

  /** Makes the list longer by this many records, by its `limit` when left out. Resolves when they are there. */
  async loadMore(count?: number): Promise<void> {
    const { length } = this.records;
    const before = this.#query;
    if (before === undefined || !this.getSnapshot().hasMore) return;
    this.#more += count ?? (this.#more === 0 ? length : this.#more);
    const longer = this.#openQuery(this.#more);
    await new Promise<void>((resolve, reject) => {
      const waiting: QueryView<R> = {
        status: () => {},
        ended: (error) => (error === undefined ? resolve() : reject(error)),
        changed: () => {
          if (this.#query === before && this.#closed === undefined) {
            this.#query = longer;
            longer.acquire(this.#view);
            before.release(this.#view);
          }
          longer.release(waiting);
          resolve();
        },
      };
      longer.acquire(waiting);
    });
  }

  /** Writes over the same connection. Resolves when the write is committed. */
  send(envelope: Envelope): Promise<Ack> {
    if (this.#closed !== undefined) return Promise.reject(closedError('list'));
    return this.#acquire().subscription.send(envelope);
  }

  close(): void {
    this.#end(undefined);
  }

  #add(listener: (frames?: readonly ChangeFrame<R>[]) => void): () => void {
    this.#listeners.add(listener);
    this.#acquire();
    return () => {
      if (this.#listeners.delete(listener)) this.#releaseIfLazy();
    };
  }

  #acquire(): LiveQuery<R> {
    if (this.#query === undefined || this.#query.status === 'closed') {
      this.#query = this.#openQuery(this.#more);
      if (this.#closed === undefined) this.#query.acquire(this.#view);
    }
    return this.#query;
  }

  /** Closes a lazy list without listeners; its query stays for a while. */
  #releaseIfLazy(): void {
    if (this.#options.lazy !== true || this.#listeners.size > 0) return;
    this.#query?.release(this.#view);
    this.#query = undefined;
  }

  #notify(frames: readonly ChangeFrame<R>[]): void {
    if (this.#closed !== undefined) return;
    this.#resolveReady();
    try {
      for (const listener of [...this.#listeners]) listener(frames);
    } catch (thrown) {
      this.#end(asError(thrown, 'CALLBACK_FAILED'));
    }
  }

  #end(error: TablecastError | undefined): void {
    if (this.#closed !== undefined) return;
    this.#closed = { ...this.getSnapshot(), status: 'closed', error };
    this.#query?.release(this.#view);
    if (error === undefined) this.#resolveEnded();
    else this.#rejectEnded(error);
    this.#options.onStatus?.('closed');
    if (error !== undefined) this.#options.onError?.(error);
    for (const listener of [...this.#listeners]) listener();
  }
}
