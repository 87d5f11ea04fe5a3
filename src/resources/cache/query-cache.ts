import type { ReadPolicy } from '../../query/index.ts';

const CAPACITY = 1000;

/** Parsed query strings, by read policy. The oldest are dropped. */
export class QueryCache<T> {
  readonly #made = new Map<string, T>();

  /** Returns the cached value, or that of `make`; an error of `make` is not cached. */
  get(rawQuery: string, view: ReadPolicy | undefined, make: () => T): T {
    const key = view === undefined ? rawQuery : `${view.key}\n${rawQuery}`;
    const cached = this.#made.get(key);
    if (cached !== undefined) return cached;
    const made = make();
    if (this.#made.size >= CAPACITY) this.#made.delete(this.#made.keys().next().value as string);
    this.#made.set(key, made);
    return made;
  }
}
