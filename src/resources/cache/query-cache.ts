import type { ReadPolicy } from '../../query/index.ts';

const CAPACITY = 1000;

/** What was made of raw query strings, as they mean something to those who see the same. The oldest are thrown away. */
export class QueryCache<T> {
  readonly #made = new Map<string, T>();

  /** `make` is called when there is nothing yet; what it throws is not kept. */
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
