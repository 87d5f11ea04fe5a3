import type { ListQuery } from '../../query/index.ts';
import type { ListPage } from '../../store/store.ts';

/** Bytes of an entry besides its text, rounded up. */
const OVERHEAD = 512;
/** Share of the cache that one page may take. */
const LARGEST_PART = 1 / 8;

interface Entry {
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
  readonly #mostBytes: number;
  readonly #entries = new Map<ListQuery, Entry>();
  #bytes = 0;

  /** Holds up to `maxBytes` in all pages together; 0 disables the cache. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
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
  take(query: ListQuery, version: number, page: ListPage): void {
    const before = this.#entries.get(query);
    const isAgain = before !== undefined && before.version === version;
    this.#remove(query);
    // Strings with characters beyond Latin-1 take two bytes for each.
    const size = OVERHEAD + 2 * page.json.length;
    const isKept = isAgain && size <= this.#mostBytes * LARGEST_PART;
    const entry = isKept ? { version, page, bytes: size } : { version, page: undefined, bytes: OVERHEAD };
    if (entry.bytes > this.#mostBytes) return;
    this.#entries.set(query, entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#mostBytes) break;
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
