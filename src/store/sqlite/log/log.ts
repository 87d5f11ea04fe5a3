import type { Database, Statement } from 'better-sqlite3';
import type { LogRetentionConfig } from '../../../config/config.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { Change, RecordKey } from '../../store.ts';
import { floorKey, shapeKey } from '../migrate/ddl.ts';
import { logName } from '../sql/table-names.ts';

/** Entries beyond the count before a commit removes some: fewer are not worth the statements. */
const FEW = 100;
/** Entries that one commit removes at most, more than it usually adds. */
const SOME = 500;

/** What a transaction has removed, when it is committed. */
export interface Removed {
  readonly upTo: number;
  readonly count: number;
}

/** What is known in memory about one table's log, and how it is kept within its retention. */
export class LogState {
  readonly #db: Database;
  readonly #log: string;
  readonly #retention: LogRetentionConfig;
  readonly #setFloor: Statement;
  readonly #entry: Statement;
  readonly #removeUpTo: Statement;
  readonly #has: Statement;
  readonly #name: string;
  /** Seqs up to this one were given to records that a schema change has made others of; 0 when there was none. */
  readonly shapedAt: number;
  #head: number;
  #oldest: number;
  /** Counted at the first trim: counting at the start would read the whole log before the first answer. */
  #count: number | undefined;
  /** Newest entry of each record, built when it is first asked for. */
  #newest: Map<RecordKey, number> | undefined;

  constructor(db: Database, table: TablePlan, retention: LogRetentionConfig) {
    this.#db = db;
    this.#log = logName(table);
    this.#retention = retention;
    this.#name = floorKey(table);
    const position = db.prepare('SELECT value FROM tablecast_meta WHERE key = ?').pluck();
    this.#oldest = Number(position.get(this.#name));
    this.shapedAt = Number(position.get(shapeKey(table)) ?? 0);
    const newest = db.prepare(`SELECT max(seq) FROM ${this.#log}`).pluck().get() as number | null;
    this.#head = Math.max(newest ?? 0, this.#oldest);
    this.#setFloor = db.prepare('UPDATE tablecast_meta SET value = ? WHERE key = ?');
    this.#entry = db.prepare(`SELECT seq FROM ${this.#log} ORDER BY seq LIMIT 1 OFFSET ?`).pluck();
    this.#removeUpTo = db.prepare(`DELETE FROM ${this.#log} WHERE seq <= ?`);
    this.#has = db.prepare(`SELECT 1 FROM ${this.#log} WHERE seq BETWEEN ? AND ?`);
  }

  get head(): number {
    return this.#head;
  }

  /** After this seq every entry is there. */
  get oldest(): number {
    return this.#oldest;
  }

  get floor(): number {
    return Math.max(this.#oldest, this.shapedAt);
  }

  /** True when the position is that of an entry, or the one just before it. Whether all are older is known without looking. */
  has(position: number): boolean {
    return position <= this.#head && this.#has.get(position, position + 1) !== undefined;
  }

  appended({ seq, id }: Change): void {
    this.#head = seq;
    if (this.#count !== undefined) this.#count++;
    if (id !== null) this.#newest?.set(id, seq);
  }

  /**
   * False when the record surely has no entry after `after`. After a restart thousands of record channels resume at
   * once; one scan answers them all, where an index on disk would cost every write.
   */
  mayHaveChanged(id: RecordKey, after: number): boolean {
    if (this.#newest === undefined) {
      const rows = this.#db.prepare(`SELECT id, max(seq) FROM ${this.#log} WHERE id IS NOT NULL GROUP BY id`).raw();
      this.#newest = new Map(rows.all() as [RecordKey, number][]);
    }
    return (this.#newest.get(id) ?? 0) > after;
  }

  /**
   * Inside the transaction of a commit: removes the oldest of the entries that are too many. A log that is written to without
   * rest so needs no transactions for it that writers would wait for. What comes back is for `removed`, after the commit.
   */
  removeSurplus(): Removed | undefined {
    const surplus = (this.#count ?? 0) - this.#retention.maxCount;
    return surplus < FEW ? undefined : this.#remove(this.#entry.get(Math.min(surplus, SOME) - 1) as number);
  }

  /** Takes what a transaction removed that is committed. */
  removed({ upTo, count }: Removed): void {
    this.#oldest = upTo;
    if (this.#count !== undefined) this.#count -= count;
    // It also holds records whose entries are gone; it is built anew when next asked for.
    if (this.#newest !== undefined && this.#newest.size > 2 * this.#retention.maxCount) this.#newest = undefined;
  }

  /** Removes up to `limit` entries past retention, in a transaction of its own; true when more are left. */
  trim(now: number, limit: number): boolean {
    this.#count ??= this.#db.prepare(`SELECT count(*) FROM ${this.#log}`).pluck().get() as number;
    const surplus = this.#count - this.#retention.maxCount;
    const expiredBefore = (now - this.#retention.retention) * 1000;
    const oldest = this.#entry.get(0) as number | undefined;
    if (oldest === undefined || (surplus <= 0 && oldest >= expiredBefore)) return false;
    const size = Math.min(limit, this.#count);
    const bySize = surplus > 0 ? (this.#entry.get(Math.min(size, surplus) - 1) as number) : 0;
    const byAge = Math.min(expiredBefore - 1, this.#entry.get(size - 1) as number);
    const removed = this.#db.transaction(() => this.#remove(Math.max(bySize, byAge)))();
    this.removed(removed);
    return removed.count >= limit;
  }

  #remove(upTo: number): Removed {
    this.#setFloor.run(upTo, this.#name);
    return { upTo, count: this.#removeUpTo.run(upTo).changes };
  }
}
