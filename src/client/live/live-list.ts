import type { Status } from '../connection/link.ts';
import type { Ack, Envelope } from '../connection/outbox.ts';
import type { TablecastError } from '../error.ts';
import type { ChangeFrame } from './frames.ts';
import { type Entry, makeOrder } from './order.ts';
import type { SubscribeOptions, Subscription } from './subscription.ts';

type Id = string | number;

export interface LiveOptions<R> {
  readonly id?: Id;
  readonly client?: string;
  /** Called after every change, and once after a reconnect has caught up. */
  onChange?(records: readonly R[], frame?: ChangeFrame<R>): void;
  onStatus?(status: Status): void;
  onError?(error: TablecastError): void;
}

export interface LiveShape {
  readonly sort?: string | undefined;
  readonly limit?: string | undefined;
  readonly offset?: string | undefined;
}

type Subscribe<R> = (options: SubscribeOptions<R>) => Subscription<R>;

/**
 * List that stays in sync with the server: `records` equals what GET with the same query would return. It keeps all matching
 * records in memory; `limit` and `offset` only select which of them `records` has.
 */
export class LiveList<R> {
  /** Resolves when the list is complete for the first time; rejects when it ends before. */
  readonly ready: Promise<void>;
  readonly #subscription: Subscription<R>;
  readonly #listeners = new Set<NonNullable<LiveOptions<R>['onChange']>>();
  readonly #order: (a: Entry<R>, b: Entry<R>) => number;
  readonly #from: number;
  readonly #to: number;
  #entries = new Map<Id, Entry<R>>();
  #sorted: Entry<R>[] = [];
  /** Snapshot in progress, which replaces the list when it is complete. */
  #next: Map<Id, Entry<R>> | undefined = new Map();
  #visible: readonly R[] | undefined;
  #isLive = false;
  #resolveReady: () => void = () => {};

  constructor(subscribe: Subscribe<R>, { sort, limit, offset }: LiveShape, options: LiveOptions<R>) {
    const { onChange, ...others } = options;
    this.#order = makeOrder(sort);
    this.#from = Number(offset ?? 0);
    this.#to = this.#from + Number(limit ?? Number.POSITIVE_INFINITY);
    if (onChange !== undefined) this.#listeners.add(onChange);
    const whole = new Promise<void>((resolve) => {
      this.#resolveReady = resolve;
    });
    this.#subscription = subscribe({
      ...others,
      retained: true,
      onChange: (frame) => this.#fold(frame),
      onReset: () => {
        this.#isLive = false;
        this.#next = new Map();
      },
      onReady: () => this.#publish(),
      onStatus: (status) => {
        if (status !== 'live') this.#isLive = false;
        others.onStatus?.(status);
      },
    });
    this.ready = Promise.race([whole, this.#subscription.ended]);
    this.ready.catch(() => {});
  }

  /** Records in the order of the query, within `limit` and `offset`. A new array after every change. */
  get records(): readonly R[] {
    this.#visible ??= this.#sorted.slice(this.#from, this.#to).map(({ record }) => record);
    return this.#visible;
  }

  /** Number of all matching records, regardless of `limit`. */
  get size(): number {
    return this.#entries.size;
  }

  get status(): Status {
    return this.#subscription.status;
  }

  get position(): number | undefined {
    return this.#subscription.position;
  }

  get ended(): Promise<void> {
    return this.#subscription.ended;
  }

  get(id: Id): R | undefined {
    return this.#entries.get(id)?.record;
  }

  /** Adds a listener for changes. Returns a function that removes it. */
  onChange(listener: NonNullable<LiveOptions<R>['onChange']>): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Writes over the same connection. Resolves when the write is committed. */
  send(envelope: Envelope): Promise<Ack> {
    return this.#subscription.send(envelope);
  }

  close(): void {
    this.#subscription.close();
  }

  #fold(frame: ChangeFrame<R>): void {
    if (frame.message_type === 'Publish' || frame.id === null) return;
    const { id } = frame;
    const entries = this.#next ?? this.#entries;
    const before = entries.get(id);
    if (frame.message_type === 'Delete') {
      entries.delete(id);
      if (this.#next === undefined && before !== undefined) this.#remove(before);
    } else {
      const isPart = frame.message_type === 'Update' && frame.changed !== undefined;
      const entry = { id, record: isPart ? { ...before?.record, ...frame.data } : frame.data };
      entries.set(id, entry);
      if (this.#next === undefined) this.#insert(entry, before);
    }
    this.#visible = this.#next === undefined ? undefined : this.#visible;
    if (this.#isLive) this.#notify(frame);
  }

  /** Replaces the list by a complete snapshot and notifies the listeners. */
  #publish(): void {
    if (this.#next !== undefined) {
      this.#entries = this.#next;
      this.#sorted = [...this.#next.values()].sort(this.#order);
      this.#next = undefined;
      this.#visible = undefined;
    }
    this.#isLive = true;
    this.#resolveReady();
    this.#notify();
  }

  #notify(frame?: ChangeFrame<R>): void {
    for (const listener of [...this.#listeners]) listener(this.records, frame);
  }

  #insert(entry: Entry<R>, before: Entry<R> | undefined): void {
    if (before !== undefined) this.#remove(before);
    this.#sorted.splice(this.#indexOf(entry), 0, entry);
  }

  #remove(entry: Entry<R>): void {
    this.#sorted.splice(this.#indexOf(entry), 1);
  }

  /** Finds the position of an entry by binary search; ordering by primary key last makes it unique. */
  #indexOf(entry: Entry<R>): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order(this.#sorted[middle] as Entry<R>, entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
