import type { Cell, RecordKey } from '../../store.ts';

/** Bytes of a row besides its strings, rounded up. */
const ROW_OVERHEAD_BYTES = 256;
/** Part of the memory that one row may take; a larger one is not cached. */
const MAX_ROW_PART = 1 / 64;

type CachedRow = readonly Cell[];

/**
 * Memory for cached rows that the tables of a store share. It has two halves: when the young one, of the rows that were
 * used last, is full, it becomes the old one, whose rows are dropped.
 */
export class RowCachePool {
  readonly #halfBytes: number;
  readonly #caches: RowCache[] = [];
  #usedBytes = 0;

  /** `maxBytes`: maximum of all rows together; 0 caches none. */
  constructor(maxBytes: number) {
    this.#halfBytes = maxBytes / 2;
  }

  /** Opens the cache of one more table. */
  open(): RowCache {
    const cache = new RowCache((row) => this.#reserve(row));
    this.#caches.push(cache);
    return cache;
  }

  /** Counts the row. False when it is too large to be cached. */
  #reserve(row: CachedRow): boolean {
    const bytes = sizeOf(row);
    if (bytes > 2 * this.#halfBytes * MAX_ROW_PART) return false;
    this.#usedBytes += bytes;
    if (this.#usedBytes > this.#halfBytes) {
      for (const cache of this.#caches) cache.rotate();
      this.#usedBytes = bytes;
    }
    return true;
  }
}

/**
 * Recently read rows of a table. A write only removes the row that it changes: caching rows that are written repeatedly
 * would cost the garbage collector more than it costs to read them.
 */
export class RowCache {
  readonly #reserve: (row: CachedRow) => boolean;
  #young = new Map<RecordKey, CachedRow>();
  #old = new Map<RecordKey, CachedRow>();

  constructor(reserve: (row: CachedRow) => boolean) {
    this.#reserve = reserve;
  }

  get(key: RecordKey): CachedRow | undefined {
    const row = this.#young.get(key);
    if (row !== undefined) return row;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** Caches a row, which must not be modified from now on. */
  set(key: RecordKey, row: CachedRow): void {
    if (this.#reserve(row)) this.#young.set(key, row);
    else this.delete(key);
  }

  delete(key: RecordKey): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Drops the old half; the young one becomes the old one. */
  rotate(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }
}

/** Estimates the bytes of a row; strings with characters beyond Latin-1 have two bytes per character. */
function sizeOf(row: CachedRow): number {
  let bytes = ROW_OVERHEAD_BYTES;
  for (const cell of row) bytes += typeof cell === 'string' ? 16 + 2 * cell.length : 16;
  return bytes;
}
