import Database from 'better-sqlite3';
import { onTestFinished, vi } from 'vitest';
import type { TablePlan } from '../../src/schema/plan.ts';
import type { Write } from '../../src/store/rows/write.ts';
import { readUnissuedRanges } from '../../src/store/sqlite/log/issued-positions.ts';
import type { StoreOptions } from '../../src/store/store.ts';
import { type OpenStore, StoreFolder } from './stores.ts';

export const A = 'type A @table { id: ID! @primaryKey }';
const B = 'type B @table { id: ID! @primaryKey n: Int }';
export const SDL = `${A} ${B}`;
export const MORE = `${SDL} type C @table { id: ID! @primaryKey }`;
export const OTHER = `${A} type B @table { id: ID! @primaryKey n: Int m: Int }`;
/** A change that makes no other records. */
export const INDEXED = `${A} type B @table { id: ID! @primaryKey n: Int @indexed }`;
export const KEEP_ONE = { events: { retention: 86_400_000, maxCount: 1, replayPage: 500 } };

/** A store whose clock the test moves, which is stopped, copied and put back. */
export class House {
  readonly #folder = new StoreFolder();
  #open: OpenStore;

  constructor() {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2100-01-01T00:00:00Z') });
    onTestFinished(() => void vi.useRealTimers());
    this.#open = this.#folder.open(SDL);
  }

  get head(): number {
    return this.#open.store.lastSeq;
  }

  get store(): OpenStore['store'] {
    return this.#open.store;
  }

  get gaps(): readonly unknown[] {
    const db = new Database(this.#folder.file, { readonly: true });
    try {
      return readUnissuedRanges(db);
    } finally {
      db.close();
    }
  }

  pass(milliseconds: number): void {
    vi.setSystemTime(Date.now() + milliseconds);
  }

  table(name: string): TablePlan {
    const table = this.#open.plan.tables.find((one) => one.name === name);
    if (table === undefined) throw new Error(`there is no table ${name}`);
    return table;
  }

  /** Commits a number of messages at once; returns their seqs. */
  write(name: string, count = 1): number[] {
    const table = this.table(name);
    const writes = Array.from({ length: count }, (): Write => ({ type: 'publish', table, id: null, data: '1' }));
    return this.store.commit([writes]).changes.map(({ seq }) => seq);
  }

  trim(): void {
    for (let more = true; more; ) more = this.store.trim(Date.now(), 100);
  }

  restart(sdl = SDL, options: Partial<StoreOptions> = {}): void {
    this.#open = this.#folder.open(sdl, { allowDestructive: true, ...options });
  }

  close(): void {
    this.#folder.close();
  }

  /** Stops it and copies it. */
  copy(): void {
    this.#folder.copy();
  }

  /** The store is that of the copy again. */
  putBack(sdl = SDL, options: Partial<StoreOptions> = {}): void {
    this.#folder.putBack();
    this.restart(sdl, options);
  }

  /** Returns the positions that the store does not know. */
  unknown(positions: readonly number[]): number[] {
    return positions.filter((position) => !this.store.wasIssued(position));
  }
}
