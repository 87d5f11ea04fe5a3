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
  /** After every change; while a lost connection catches up, once at the end of it. */
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

/** A list that stays as GET would give it: the stored records, with every change folded in. */
export class LiveList<R> {
  /** Resolves when the list is whole for the first time; rejects when it will not be. */
  readonly ready: Promise<void>;
  readonly #subscription: Subscription<R>;
  readonly #listeners = new Set<NonNullable<LiveOptions<R>['onChange']>>();
  readonly #order: (a: Entry<R>, b: Entry<R>) => number;
  readonly #from: number;
  readonly #to: number;
  #entries = new Map<Id, Entry<R>>();
  #sorted: Entry<R>[] = [];
  /** What a snapshot builds up; it takes the place of the list when it is whole. */
  #next: Map<Id, Entry<R>> | undefined = new Map();
  #shown: readonly R[] | undefined;
  #isLive = false;
  #isReady: () => void = () => {};

  constructor(subscribe: Subscribe<R>, { sort, limit, offset }: LiveShape, options: LiveOptions<R>) {
    const { onChange, ...others } = options;
    this.#order = makeOrder(sort);
    this.#from = Number(offset ?? 0);
    this.#to = this.#from + Number(limit ?? Number.POSITIVE_INFINITY);
    if (onChange !== undefined) this.#listeners.add(onChange);
    const whole = new Promise<void>((resolve) => {
      this.#isReady = resolve;
    });
    this.#subscription = subscribe({
      ...others,
      retained: true,
      onChange: (frame) => this.#fold(frame),
      onReset: () => {
        this.#isLive = false;
        this.#next = new Map();
      },
      onReady: () => this.#show(),
      onStatus: (status) => {
        if (status !== 'live') this.#isLive = false;
        others.onStatus?.(status);
      },
    });
    this.ready = Promise.race([whole, this.#subscription.ended]);
    this.ready.catch(() => {});
  }

  /** In the order of the query, and no more than its `limit`. A new array after every change. */
  get records(): readonly R[] {
    this.#shown ??= this.#sorted.slice(this.#from, this.#to).map(({ record }) => record);
    return this.#shown;
  }

  /** How many records match, whatever the `limit`. */
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

  /** Calls it after every change; what comes back ends that. */
  onChange(listener: NonNullable<LiveOptions<R>['onChange']>): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A write over the same connection. */
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
    this.#shown = this.#next === undefined ? undefined : this.#shown;
    if (this.#isLive) this.#notify(frame);
  }

  /** The list is as it is at this moment of the log. */
  #show(): void {
    if (this.#next !== undefined) {
      this.#entries = this.#next;
      this.#sorted = [...this.#next.values()].sort(this.#order);
      this.#next = undefined;
      this.#shown = undefined;
    }
    this.#isLive = true;
    this.#isReady();
    this.#notify();
  }

  #notify(frame?: ChangeFrame<R>): void {
    for (const listener of [...this.#listeners]) listener(this.records, frame);
  }

  #insert(entry: Entry<R>, before: Entry<R> | undefined): void {
    if (before !== undefined) this.#remove(before);
    this.#sorted.splice(this.#placeOf(entry), 0, entry);
  }

  #remove(entry: Entry<R>): void {
    this.#sorted.splice(this.#placeOf(entry), 1);
  }

  /** The first place whose entry does not come before this one; the primary key makes it the only one. */
  #placeOf(entry: Entry<R>): number {
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
