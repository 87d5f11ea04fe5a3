import { setImmediate } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import type { ListQuery } from '../../../query/index.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { ListPage } from '../../store.ts';
import type { SnapshotConnection, SnapshotPool } from '../database/snapshots.ts';
import type { SqliteReader } from './reader.ts';

/** Records up to which a list is read at once: that takes about as long as the shortest slice is worth. */
const MAX_RECORDS = 1000;
/** Lists that are read in slices at a time; each keeps a connection, and the write-ahead log from being restarted. */
const MAX_CONCURRENT_LISTS = 4;

/** Reads long lists in slices from a snapshot, so that other requests are answered in between. */
export class LongLists {
  readonly #pool: SnapshotPool;
  readonly #readerOn: (db: Database) => SqliteReader;
  #running = 0;

  constructor(pool: SnapshotPool, readerOn: (db: Database) => SqliteReader) {
    this.#pool = pool;
    this.#readerOn = readerOn;
  }

  /** True for a list that is worth slices, and may have them now. */
  accepts({ limit }: ListQuery): boolean {
    return limit > MAX_RECORDS && this.#running < MAX_CONCURRENT_LISTS;
  }

  /** Reads the list as it is now; undefined where no snapshot is to be had at the moment. */
  list(table: TablePlan, query: ListQuery): Promise<ListPage> | undefined {
    const connection = this.#pool.begin();
    return connection && this.listOn(connection, table, query);
  }

  /** Reads the list from a snapshot that has begun, which then ends. */
  async listOn(connection: SnapshotConnection, table: TablePlan, query: ListQuery): Promise<ListPage> {
    this.#running++;
    try {
      const slices = this.#readerOn(connection.db).slices(table, query);
      for (;;) {
        const { done, value } = slices.next();
        if (done === true) return value;
        await setImmediate();
      }
    } finally {
      this.#running--;
      this.#pool.giveBack(connection);
    }
  }
}
