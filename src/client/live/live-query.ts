import type { Status } from '../connection/link.ts';
import { closedError, type TablecastError } from '../error.ts';
import { takeOut, withSearch } from '../query.ts';
import { onNextFrame } from './frame-clock.ts';
import type { ChangeFrame, ReadyFrame, TotalFrame } from './frames.ts';
import { type Entry, makeOrder } from './order.ts';
import type { OverlaidQuery, OverlaidRows } from './overlay.ts';
import { type Rows, SortedRows, WindowRows } from './rows.ts';
import type { Position, SubscribeOptions, Subscription } from './subscription.ts';

/** State of a list as one immutable object: the same one until something changes. */
export interface LiveSnapshot<R> {
  /** Records in the order of the query, within its `limit` and `offset`. */
  readonly data: readonly R[];
  /** `stale`: the connection is lost, or the state is sent again; the data is that of before. */
  readonly status: 'loading' | 'live' | 'stale' | 'closed';
  /** Error that ended the list. */
  readonly error: TablecastError | undefined;
  /** Number of matching records that are known: of a window those in it, else all. */
  readonly size: number;
  /** With `count=true` the number of all matching records, also outside of the window; else undefined. */
  readonly total: number | undefined;
  readonly position: Position | undefined;
  /** Number of writes that are shown and not confirmed yet. */
  readonly pending: number;
  /** True when records follow beyond `limit`. */
  readonly hasMore: boolean;
}

/** List that looks at a shared query. */
export interface QueryView<R> {
  /** Called at most once a frame, with the changes since the last call; none after a snapshot. */
  changed(frames: readonly ChangeFrame<R>[]): void;
  status(status: Status): void;
  ended(error?: TablecastError): void;
}

/** Snapshot of a list that is not open yet. */
export const IDLE: LiveSnapshot<never> = {
  data: [],
  status: 'loading',
  error: undefined,
  size: 0,
  total: undefined,
  position: undefined,
  pending: 0,
  hasMore: false,
};

export type OpenSubscription<R> = (search: string, options: SubscribeOptions<R>) => Subscription<R>;

export interface LiveQueryHost<R> {
  /** Milliseconds for which the query stays open without lists. */
  readonly linger: number;
  /** True where a window that the server does not follow is cut out of all records that match. */
  readonly fallback?: boolean;
  onEnd(): void;
  /** Shows writes before they are confirmed. */
  overlay?(query: OverlaidQuery<R>): OverlaidRows<R>;
}

const REACHED_AFTER_MS = 50;

/** State of one query, shared by all lists of a client that ask for the same; kept up to date by one subscription. */
export class LiveQuery<R> implements OverlaidQuery<R> {
  readonly #open: OpenSubscription<R>;
  /** Queries to try one after the other. */
  readonly #searches: readonly string[];
  /** Number of those that are windows; the one after them asks for all records that match. */
  readonly #windows: number;
  readonly order: (a: Entry<R>, b: Entry<R>) => number;
  readonly #offset: number;
  readonly #limit: number;
  readonly #views = new Set<QueryView<R>>();
  readonly #host: LiveQueryHost<R>;
  readonly #overlay: OverlaidRows<R> | undefined;
  #attempt = 0;
  #subscription: Subscription<R>;
  /** Rows of the server, which stay through a lost connection and a reset. */
  rows: Rows<R>;
  /** Position of the rows. */
  position: Position | undefined;
  /** Snapshot in progress, which replaces the rows when it is complete. */
  #next: Rows<R> | undefined;
  #frames: ChangeFrame<R>[] = [];
  /** Number of matching records of a window with `count=true`. */
  #total: number | undefined;
  readonly #isCounted: boolean;
  #isWhole = false;
  #isLive = false;
  #error: TablecastError | undefined;
  #snapshot: LiveSnapshot<R> | undefined;
  #shown: { readonly entries: readonly Entry<R>[]; readonly data: readonly R[] } = { entries: [], data: [] };
  #waiters = new Map<() => void, Position>();
  #closing: ReturnType<typeof setTimeout> | undefined;
  readonly #tell = (): void => this.#notify();

  constructor(search: string, open: OpenSubscription<R>, host: LiveQueryHost<R>) {
    const { rest, taken } = takeOut(search, 'sort', 'limit', 'offset', 'cursor', 'count', 'since', 'retained');
    this.#open = open;
    this.#host = host;
    this.order = makeOrder(taken.sort);
    this.#limit = Number(taken.limit ?? Number.POSITIVE_INFINITY);
    this.#offset = taken.cursor === undefined ? Number(taken.offset ?? 0) : 0;
    this.#isCounted = taken.count === 'true';
    const windows = makeWindows(rest, taken);
    this.#windows = windows.length;
    const isCut = windows.length > 0 && host.fallback !== false && !isTotals(rest);
    this.#searches = windows.length === 0 || isCut ? [...windows, rest] : windows;
    this.rows = this.#makeRows();
    this.#overlay = host.overlay?.(this);
    this.#subscription = this.#begin();
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  get status(): Status {
    return this.#subscription.status;
  }

  get subscription(): Subscription<R> {
    return this.#subscription;
  }

  get(id: string | number): R | undefined {
    return (this.#overlay ?? this.rows).get(id)?.record;
  }

  seq(id: string | number): Position | undefined {
    return this.rows.get(id)?.seq;
  }

  /** Current state; computed when it is asked for, and the same object until something changes. */
  snapshot(): LiveSnapshot<R> {
    if (this.#snapshot !== undefined) return this.#snapshot;
    const { length } = this.#entries();
    this.#snapshot = {
      data: this.#data(),
      status: this.#state(),
      error: this.#error,
      size: Math.min(length, this.#isWindow ? this.#limit : Number.POSITIVE_INFINITY),
      total: this.#isCounted && !this.#isWindow ? length : this.#total,
      position: this.#subscription.position,
      pending: this.#overlay?.pending ?? 0,
      hasMore: length > this.#start + this.#limit,
    };
    return this.#snapshot;
  }

  get windowSize(): number | undefined {
    return this.#isWindow ? this.#limit + (this.#attempt === 0 ? 1 : 0) : undefined;
  }

  /** Adds a list that looks at the query, which stays open for it. */
  acquire(view: QueryView<R>): void {
    clearTimeout(this.#closing);
    this.#views.add(view);
    view.status(this.status);
    if (this.#isWhole) onNextFrame(() => this.#views.has(view) && view.changed([]));
  }

  /** Removes a list. The subscription is closed when no other has come for a while. */
  release(view: QueryView<R>): void {
    if (!this.#views.delete(view) || this.#views.size > 0) return;
    this.#closing = setTimeout(() => this.#subscription.close(), this.#host.linger);
  }

  /** Resolves when the state is that of this position or a later one. */
  reached(position: Position): Promise<void> {
    if (this.#isLive && (this.#subscription.position ?? 0) >= position) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (this.status === 'closed') return reject(this.#error ?? closedError('list'));
      this.#waiters.set(resolve, position);
      // The change may be one that this list does not get: then the server has to say how far it is.
      setTimeout(() => this.#waiters.has(resolve) && this.catchUp(), REACHED_AFTER_MS);
    });
  }

  /** Has the rows shown anew. */
  changed(): void {
    this.#snapshot = undefined;
    onNextFrame(this.#tell);
  }

  /** Asks the server for its position. */
  catchUp(): void {
    this.#subscription.catchUp();
  }

  get #isWindow(): boolean {
    return this.#attempt < this.#windows;
  }

  /** Index of the first record to show: the server leaves out those before a window. */
  get #start(): number {
    return this.#isWindow ? 0 : this.#offset;
  }

  #makeRows(): Rows<R> {
    return this.#isWindow ? new WindowRows() : new SortedRows(this.order);
  }

  #entries(): readonly Entry<R>[] {
    return (this.#overlay ?? this.rows).entries();
  }

  #begin(): Subscription<R> {
    this.#next = this.#makeRows();
    return this.#open(this.#searches[this.#attempt] as string, {
      retained: true,
      onChange: (frame) => this.#receive(frame),
      onReset: () => {
        this.#isLive = false;
        this.#next = this.#makeRows();
        this.changed();
      },
      onTotal: (frame) => this.#receive(frame),
      onReady: (frame) => this.#complete(frame),
      onStatus: (status) => this.#follow(status),
      // Marks the rejection of `ended` as handled: the error is read when the status is `closed`.
      onError: () => {},
    });
  }

  #follow(status: Status): void {
    if (status === 'closed') return void this.#end();
    if (status !== 'live') this.#isLive = false;
    for (const view of [...this.#views]) view.status(status);
    this.changed();
  }

  /** Applies a frame; those of one change or transaction come together. */
  #receive(frame: ChangeFrame<R> | TotalFrame): void {
    if (frame.total !== undefined) this.#total = frame.total;
    if ('op' in frame) this.#fold(frame);
    if (frame.more !== undefined) return;
    if (this.#next === undefined) this.#move(frame.tx ?? frame.seq);
    if (this.#isLive) this.changed();
  }

  #fold(frame: ChangeFrame<R>): void {
    if (this.#isLive) this.#frames.push(frame);
    if (frame.message_type === 'Publish' || frame.id === null) return;
    const rows = this.#next ?? this.rows;
    if (frame.message_type === 'Delete') {
      rows.remove(frame.id);
      return;
    }
    const isUpdate = frame.message_type === 'Update';
    const before = isUpdate && frame.changed !== undefined ? rows.get(frame.id)?.record : undefined;
    const record = before === undefined ? frame.data : { ...before, ...frame.data };
    rows.put({ id: frame.id, record, seq: frame.record_seq ?? frame.seq }, isUpdate ? frame.at : undefined);
  }

  #complete({ total }: ReadyFrame): void {
    this.#total = total;
    if (this.#next !== undefined) this.rows = this.#next;
    this.#next = undefined;
    this.#isWhole = true;
    this.#isLive = true;
    this.#move(this.#subscription.position);
    this.changed();
  }

  #move(position: Position | undefined): void {
    this.position = position;
    this.#overlay?.moved();
  }

  #notify(): void {
    const frames = this.#frames;
    this.#frames = [];
    this.#settleWaiters();
    if (!this.#isWhole) return;
    for (const view of [...this.#views]) view.changed(frames);
  }

  #settleWaiters(): void {
    const position = this.#subscription.position ?? 0;
    if (!this.#isLive) return;
    for (const [resolve, wanted] of [...this.#waiters]) {
      if (wanted > position) continue;
      this.#waiters.delete(resolve);
      resolve();
    }
  }

  /** Ends the query, unless it was refused as a window that the server does not follow: then all that match are asked for. */
  #end(): void {
    const { error } = this.#subscription;
    this.#error = error;
    if (error?.code === 'INVALID_QUERY' && !this.#isWhole && this.#attempt < this.#searches.length - 1) {
      this.#attempt++;
      this.#error = undefined;
      this.rows = this.#makeRows();
      // Not within the end of the former subscription.
      queueMicrotask(() => {
        this.#subscription = this.#begin();
      });
      return;
    }
    clearTimeout(this.#closing);
    this.#snapshot = undefined;
    this.#isLive = false;
    this.#overlay?.close();
    this.#host.onEnd();
    for (const view of [...this.#views]) view.ended(error);
    this.#views.clear();
  }

  #state(): LiveSnapshot<R>['status'] {
    if (this.status === 'closed') return 'closed';
    if (!this.#isWhole) return 'loading';
    return this.#isLive ? 'live' : 'stale';
  }

  #data(): readonly R[] {
    const entries = this.#entries();
    if (entries !== this.#shown.entries) {
      const shown = entries.slice(this.#start, this.#start + this.#limit);
      this.#shown = { entries, data: shown.map(({ record }) => record) };
    }
    return this.#shown.data;
  }
}

/**
 * Makes the queries of a window: none where there is no window. It has one record more than `limit`, which says whether there
 * are more; without it where the server's largest window is asked for. Totals are a window too: where the result of a group
 * stands is not to be seen in its id.
 */
function makeWindows(rest: string, { limit, offset, cursor, sort, count }: Partial<Record<string, string>>): string[] {
  if (limit === undefined && offset === undefined && cursor === undefined && !isTotals(rest)) return [];
  const range = Object.entries({ sort, offset, cursor, count }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  const sizes = limit === undefined ? [undefined] : [Number(limit) + 1, Number(limit)];
  return sizes.map((size) => withSearch('', rest, ...range, size === undefined ? '' : `limit=${size}`).slice(1));
}

/** True for a query that asks for totals: they are no records. */
export function isTotals(search: string): boolean {
  return /(?:^|&)aggregate=/.test(search);
}
