import type { ListQuery, ReadPolicy } from '../query/index.ts';
import type { ListPage } from '../store/store.ts';

/** Bytes of an entry besides its text, rounded up. */
const ENTRY_OVERHEAD_BYTES = 512;
/** Share of the cache that one page may take. */
const MAX_PAGE_SHARE = 1 / 8;

interface CachedPage {
  readonly version: number;
  /** Undefined after the first read: only a page that is read again is worth keeping. */
  readonly page: ListPage | undefined;
  readonly bytes: number;
}

/**
 * Pages of lists that were read twice with no change in between. They are returned until a record of their tables
 * changes. The least recently used are dropped first.
 */
export class PageCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<ListQuery, CachedPage>();
  #bytes = 0;

  /** Holds up to `maxBytes` in all pages together; 0 disables the cache. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the page of a query as it was at `version`, which changes with each of the tables in it. */
  find(query: ListQuery, version: number): ListPage | undefined {
    const entry = this.#entries.get(query);
    if (entry?.page === undefined || entry.version !== version) return undefined;
    this.#entries.delete(query);
    this.#entries.set(query, entry);
    return entry.page;
  }

  /** Stores a page. `version` was read before the page, so that the page is no older. */
  add(query: ListQuery, version: number, page: ListPage): void {
    const before = this.#entries.get(query);
    const isRepeated = before !== undefined && before.version === version;
    this.#remove(query);
    // Strings with characters beyond Latin-1 take two bytes for each.
    const size = ENTRY_OVERHEAD_BYTES + 2 * page.json.length;
    const isWorthCaching = isRepeated && size <= this.#maxBytes * MAX_PAGE_SHARE;
    const entry = isWorthCaching
      ? { version, page, bytes: size }
      : { version, page: undefined, bytes: ENTRY_OVERHEAD_BYTES };
    if (entry.bytes > this.#maxBytes) return;
    this.#entries.set(query, entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(query: ListQuery): void {
    const entry = this.#entries.get(query);
    if (entry === undefined) return;
    this.#entries.delete(query);
    this.#bytes -= entry.bytes;
  }
}

const MAX_QUERIES = 1000;
/** Characters of a query that is worth keeping; longer ones come in the body of a QUERY. */
const MAX_KEPT_CHARS = 8192;

/** Parsed query strings, by read policy. The oldest are dropped. */
export class QueryCache<T> {
  readonly #queries = new Map<string, T>();

  /** Returns the cached value, or that of `make`; an error of `make` is not cached. */
  get(rawQuery: string, view: ReadPolicy | undefined, make: () => T): T {
    const key = view === undefined ? rawQuery : `${view.key}\n${rawQuery}`;
    const cached = this.#queries.get(key);
    if (cached !== undefined) return cached;
    const made = make();
    if (rawQuery.length > MAX_KEPT_CHARS) return made;
    if (this.#queries.size >= MAX_QUERIES) this.#queries.delete(this.#queries.keys().next().value as string);
    this.#queries.set(key, made);
    return made;
  }
}
