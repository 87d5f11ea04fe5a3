import type { Entry } from './order.ts';

type Id = string | number;

/** Records of a live list, in its order. */
export interface Rows<R> {
  readonly size: number;
  get(id: Id): Entry<R> | undefined;
  /** Adds or replaces a record. `at` is its index in a window, once it is taken out of its old place. */
  put(entry: Entry<R>, at?: number): void;
  remove(id: Id): void;
  /** Returns the entries in order; the same array until something changes. */
  entries(): readonly Entry<R>[];
}

/**
 * All records that match. A change costs the same however many there are: the order is made when it is read, which is at
 * most once for each notification, from the order before and the records that have changed since.
 */
export class SortedRows<R> implements Rows<R> {
  readonly #order: (a: Entry<R>, b: Entry<R>) => number;
  readonly #byId = new Map<Id, Entry<R>>();
  readonly #changed = new Set<Id>();
  #sorted: readonly Entry<R>[] = [];

  constructor(order: (a: Entry<R>, b: Entry<R>) => number) {
    this.#order = order;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: Id): Entry<R> | undefined {
    return this.#byId.get(id);
  }

  put(entry: Entry<R>): void {
    this.#byId.set(entry.id, entry);
    this.#changed.add(entry.id);
  }

  remove(id: Id): void {
    if (this.#byId.delete(id)) this.#changed.add(id);
  }

  entries(): readonly Entry<R>[] {
    if (this.#changed.size > 0) {
      this.#sorted = this.#merge();
      this.#changed.clear();
    }
    return this.#sorted;
  }

  #merge(): Entry<R>[] {
    const fresh = [...this.#changed].flatMap((id) => this.#byId.get(id) ?? []).sort(this.#order);
    const kept = this.#sorted.filter(({ id }) => !this.#changed.has(id));
    if (kept.length === 0) return fresh;
    const merged: Entry<R>[] = [];
    let from = 0;
    for (const entry of fresh) {
      const to = this.#indexIn(kept, entry, from);
      for (let at = from; at < to; at++) merged.push(kept[at] as Entry<R>);
      merged.push(entry);
      from = to;
    }
    for (let at = from; at < kept.length; at++) merged.push(kept[at] as Entry<R>);
    return merged;
  }

  /** Finds the place of an entry by binary search; ordering by primary key last makes it unique. */
  #indexIn(entries: readonly Entry<R>[], entry: Entry<R>, from: number): number {
    let low = from;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order(entries[middle] as Entry<R>, entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Records of a window: the server says where each of them stands (PROTOCOL.md §4.8). */
export class WindowRows<R> implements Rows<R> {
  #entries: Entry<R>[] = [];
  readonly #byId = new Map<Id, Entry<R>>();
  #isShared = false;

  get size(): number {
    return this.#byId.size;
  }

  get(id: Id): Entry<R> | undefined {
    return this.#byId.get(id);
  }

  put(entry: Entry<R>, at?: number): void {
    const { id } = entry;
    const before = this.#byId.get(id);
    const place = before === undefined ? -1 : this.#entries.indexOf(before);
    this.#byId.set(id, entry);
    const entries = this.#own();
    if (place >= 0 && (at === undefined || at === place)) {
      entries[place] = entry;
      return;
    }
    if (place >= 0) entries.splice(place, 1);
    entries.splice(at ?? entries.length, 0, entry);
  }

  remove(id: Id): void {
    const before = this.#byId.get(id);
    if (before === undefined) return;
    this.#byId.delete(id);
    const place = this.#entries.indexOf(before);
    this.#own().splice(place, 1);
  }

  entries(): readonly Entry<R>[] {
    this.#isShared = true;
    return this.#entries;
  }

  /** Copies the array when it was handed out, so that what was handed out does not change. */
  #own(): Entry<R>[] {
    if (this.#isShared) this.#entries = this.#entries.slice();
    this.#isShared = false;
    return this.#entries;
  }
}
