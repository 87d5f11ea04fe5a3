import type { ReadPolicy } from '../../query/index.ts';

const MAX_QUERIES = 1000;

/** Parsed query strings, by read policy. The oldest are dropped. */
export class QueryCache<T> {
  readonly #queries = new Map<string, T>();

  /** Returns the cached value, or that of `make`; an error of `make` is not cached. */
  get(rawQuery: string, view: ReadPolicy | undefined, make: () => T): T {
    const key = view === undefined ? rawQuery : `${view.key}\n${rawQuery}`;
    const cached = this.#queries.get(key);
    if (cached !== undefined) return cached;
    const made = make();
    if (this.#queries.size >= MAX_QUERIES) this.#queries.delete(this.#queries.keys().next().value as string);
    this.#queries.set(key, made);
    return made;
  }
}
