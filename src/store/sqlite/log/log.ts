import type { Database, Statement } from 'better-sqlite3';
import type { LogRetentionConfig } from '../../../config/config.ts';
import { withoutForbiddenKeys } from '../../../schema/forbidden-key.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { keyToJson } from '../../rows/apply-write.ts';
import { OPS } from '../../rows/row.ts';
import type { Change, RecordKey } from '../../store.ts';
import { floorKey, shapeKey } from '../migrate/ddl.ts';
import { logName } from '../sql/table-names.ts';

/** Entries beyond the retention at which a commit removes some: fewer are not worth the statements. */
const MIN_SURPLUS_ENTRIES = 100;
/** Entries that one commit removes, more than it usually adds. */
const MAX_REMOVED_ENTRIES = 500;

/** Entries that a transaction removes. */
export interface RemovedEntries {
  readonly upTo: number;
  readonly count: number;
}

/** State of one table's log in memory; removes entries past retention. */
export class LogState {
  readonly #db: Database;
  readonly #log: string;
  readonly #retention: LogRetentionConfig;
  readonly #setFloor: Statement;
  readonly #entry: Statement;
  readonly #removeUpTo: Statement;
  readonly #has: Statement;
  readonly #name: string;
  /** seq of the last schema change that changed stored records; 0 when there was none. */
  readonly layoutSeq: number;
  #lastSeq: number;
  #logStart: number;
  /** Number of entries, counted at the first trim: counting at the start would read the whole log before the first response. */
  #count: number | undefined;
  /** seq of the newest entry of each record, built when it is first needed. */
  #newest: Map<RecordKey, number> | undefined;

  constructor(db: Database, table: TablePlan, retention: LogRetentionConfig) {
    this.#db = db;
    this.#log = logName(table);
    this.#retention = retention;
    this.#name = floorKey(table);
    const position = db.prepare('SELECT value FROM tablecast_meta WHERE key = ?').pluck();
    this.#logStart = Number(position.get(this.#name));
    this.layoutSeq = Number(position.get(shapeKey(table)) ?? 0);
    const newest = db.prepare(`SELECT max(seq) FROM ${this.#log}`).pluck().get() as number | null;
    this.#lastSeq = Math.max(newest ?? 0, this.#logStart);
    this.#setFloor = db.prepare('UPDATE tablecast_meta SET value = ? WHERE key = ?');
    this.#entry = db.prepare(`SELECT seq FROM ${this.#log} ORDER BY seq LIMIT 1 OFFSET ?`).pluck();
    this.#removeUpTo = db.prepare(`DELETE FROM ${this.#log} WHERE seq <= ?`);
    this.#has = db.prepare(`SELECT 1 FROM ${this.#log} WHERE seq BETWEEN ? AND ?`);
  }

  /** seq of the newest entry. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** seq after which every entry is in the log. */
  get logStart(): number {
    return this.#logStart;
  }

  /** Oldest position from which a client may resume. */
  get resumeFloor(): number {
    return Math.max(this.#logStart, this.layoutSeq);
  }

  /** True when the position is that of an entry, or the one just before it. Positions after the newest need no query. */
  has(position: number): boolean {
    return position <= this.#lastSeq && this.#has.get(position, position + 1) !== undefined;
  }

  /** Must be called for each change of the table that was committed, in order. */
  appended({ seq, id }: Change): void {
    this.#lastSeq = seq;
    if (this.#count !== undefined) this.#count++;
    if (id !== null) this.#newest?.set(id, seq);
  }

  /**
   * False when the record certainly has no entry after `after`. After a restart thousands of record channels resume at
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
   * Removes the oldest surplus entries inside the transaction of a commit, so that a log under steady writes needs no
   * extra transactions that writers would wait for. The result must be passed to `removed` after the commit.
   */
  removeSurplus(): RemovedEntries | undefined {
    const surplus = (this.#count ?? 0) - this.#retention.maxCount;
    return surplus < MIN_SURPLUS_ENTRIES
      ? undefined
      : this.#remove(this.#entry.get(Math.min(surplus, MAX_REMOVED_ENTRIES) - 1) as number);
  }

  /** Must be called with the entries that a transaction removed, after it was committed. */
  removed({ upTo, count }: RemovedEntries): void {
    this.#logStart = upTo;
    if (this.#count !== undefined) this.#count -= count;
    // The map also has records whose entries are gone; it is built again when it is next needed.
    if (this.#newest !== undefined && this.#newest.size > 2 * this.#retention.maxCount) this.#newest = undefined;
  }

  /** Removes up to `limit` entries past retention, in a transaction of its own; `now` in milliseconds since 1970. True when more are left. */
  trim(now: number, limit: number): boolean {
    this.#count ??= this.#db.prepare(`SELECT count(*) FROM ${this.#log}`).pluck().get() as number;
    const surplus = this.#count - this.#retention.maxCount;
    const expiredBefore = (now - this.#retention.retention) * 1000;
    const first = this.#entry.get(0) as number | undefined;
    if (first === undefined || (surplus <= 0 && first >= expiredBefore)) return false;
    const size = Math.min(limit, this.#count);
    const bySize = surplus > 0 ? (this.#entry.get(Math.min(size, surplus) - 1) as number) : 0;
    const byAge = Math.min(expiredBefore - 1, this.#entry.get(size - 1) as number);
    const removed = this.#db.transaction(() => this.#remove(Math.max(bySize, byAge)))();
    this.removed(removed);
    return removed.count >= limit;
  }

  #remove(upTo: number): RemovedEntries {
    this.#setFloor.run(upTo, this.#name);
    return { upTo, count: this.#removeUpTo.run(upTo).changes };
  }
}

/** Returns the oldest position from which the later entries lead to the stored records, from the marks in the store. */
export function readResumeFloor(db: Database, table: TablePlan): number {
  const position = db.prepare('SELECT value FROM tablecast_meta WHERE key = ?').pluck();
  return Math.max(...[floorKey(table), shapeKey(table)].map((key) => Number(position.get(key) ?? 0)));
}

/** Entries that one statement writes: each takes half as long again with a statement of its own. */
const BATCH_ENTRIES = 16;

/** Writes the entries of one table's log. */
export class LogEntries {
  readonly #one: Statement;
  readonly #many: Statement;

  constructor(db: Database, table: TablePlan) {
    const entry = '(?, ?, ?, ?, ?, ?)';
    const prepare = (values: string) =>
      db.prepare(`INSERT INTO ${logName(table)} (seq, op, id, data, before, tx) VALUES ${values}`);
    this.#one = prepare(entry);
    this.#many = prepare(new Array(BATCH_ENTRIES).fill(entry).join(', '));
  }

  /** Appends the changes from index `from` to before `to`, which are all of this table. */
  append(changes: readonly Change[], from: number, to: number): void {
    let at = from;
    for (; to - at >= BATCH_ENTRIES; at += BATCH_ENTRIES) {
      const values: unknown[] = [];
      for (let i = at; i < at + BATCH_ENTRIES; i++) pushEntry(values, changes[i] as Change);
      this.#many.run(...values);
    }
    for (; at < to; at++) {
      const values: unknown[] = [];
      pushEntry(values, changes[at] as Change);
      this.#one.run(...values);
    }
  }
}

/** `data` of a delete is only the key, which the entry has already. */
function pushEntry(values: unknown[], { seq, op, id, data, before, transaction }: Change): void {
  values.push(seq, OPS.indexOf(op) + 1, id, op === 'delete' ? null : data, before, transaction ?? null);
}

/** A row of a log, with the columns that an entry is written with. */
export function toChange(plan: TablePlan, [seq, op, id, data, before, transaction]: readonly unknown[]): Change {
  return {
    seq: seq as number,
    table: plan,
    op: OPS[(op as number) - 1] as Change['op'],
    id: id as RecordKey | null,
    data: data === null ? keyToJson(plan.primaryKey, id as RecordKey) : withoutForbiddenKeys(data as string),
    before: before === null ? null : withoutForbiddenKeys(before as string),
    ...(transaction === null ? {} : { transaction: transaction as number }),
  };
}
