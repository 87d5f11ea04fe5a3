import type { Cell, RecordKey } from '../../store.ts';

/** Bytes of a row beside its texts, rounded up. */
const OVERHEAD = 256;
/** A row that takes a larger part of the memory than this is not kept. */
const LARGEST_PART = 1 / 64;

type Row = readonly Cell[];

/**
 * The memory for rows that the tables of a store share. It has two halves: when the half of the rows that were used last is
 * full, it becomes that of the rows used before, which are let go.
 */
export class RowCachePool {
  readonly #half: number;
  readonly #caches: RowCache[] = [];
  #used = 0;

  /** `mostBytes`: what all rows together may take; 0 keeps none. */
  constructor(mostBytes: number) {
    this.#half = mostBytes / 2;
  }

  /** Rows of one more table. */
  open(): RowCache {
    const cache = new RowCache((row) => this.#take(row));
    this.#caches.push(cache);
    return cache;
  }

  /** True when there is room for the row. */
  #take(row: Row): boolean {
    const bytes = sizeOf(row);
    if (bytes > 2 * this.#half * LARGEST_PART) return false;
    this.#used += bytes;
    if (this.#used > this.#half) {
      for (const cache of this.#caches) cache.age();
      this.#used = bytes;
    }
    return true;
  }
}

/**
 * The rows of a table that were read last, as the store has them. A change only lets go of what it makes untrue: rows that are
 * written over and over would be kept for nobody, and cost the garbage collector more than it costs to read them.
 */
export class RowCache {
  readonly #take: (row: Row) => boolean;
  #young = new Map<RecordKey, Row>();
  #old = new Map<RecordKey, Row>();

  constructor(take: (row: Row) => boolean) {
    this.#take = take;
  }

  get(key: RecordKey): Row | undefined {
    const row = this.#young.get(key);
    if (row !== undefined) return row;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** The row is not changed by anybody from now on. */
  set(key: RecordKey, row: Row): void {
    if (this.#take(row)) this.#young.set(key, row);
    else this.delete(key);
  }

  delete(key: RecordKey): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  age(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }
}

/** Texts with characters beyond Latin-1 take two bytes for each. */
function sizeOf(row: Row): number {
  let bytes = OVERHEAD;
  for (const cell of row) bytes += typeof cell === 'string' ? 16 + 2 * cell.length : 16;
  return bytes;
}
