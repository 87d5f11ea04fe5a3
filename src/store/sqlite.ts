import { join } from 'node:path';
import type { Database, Statement } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { ListQuery, SelectedRelation } from '../query/index.ts';
import type { Plan, TablePlan } from '../schema/plan.ts';
import type { StoredSchema } from '../schema/stored.ts';
import { applyWrite, keyToJson, type WriteContext } from './apply-write.ts';
import type { AuditReader } from './audit.ts';
import { expiryOf } from './expiry.ts';
import { type DirectoryLock, lockDirectory } from './lock.ts';
import { type AuditLog, openAudit } from './sqlite-audit.ts';
import { chooseKeys, isBulk, sumUp, writeOf } from './sqlite-bulk.ts';
import { constraintError, storageError } from './sqlite-errors.ts';
import { SqliteLists } from './sqlite-lists.ts';
import { LogState, type Removed } from './sqlite-log.ts';
import { migrate } from './sqlite-migrate.ts';
import { OnceTable } from './sqlite-once.ts';
import { describeOpenError, openDatabase } from './sqlite-open.ts';
import { Positions } from './sqlite-positions.ts';
import { ReadTurn } from './sqlite-read-turn.ts';
import { RowMemory } from './sqlite-row-cache.ts';
import { newestPosition } from './sqlite-shape.ts';
import { forgetSamples, keepStatistics } from './sqlite-statistics.ts';
import { readStored } from './sqlite-stored.ts';
import { OPS, type Row, SqliteTable } from './sqlite-table.ts';
import { StatementCache } from './statement-cache.ts';
import type {
  BulkWrite,
  Cell,
  Change,
  CommitResult,
  Key,
  ListPage,
  Once,
  OnceGroup,
  Store,
  StoredRecord,
  StoreOptions,
  Write,
  WriteGroup,
  WriteOutcome,
} from './store.ts';

/** Where the embedded store of a data directory is. */
export function databaseFile(dir: string): string {
  return join(dir, 'data.db');
}

/** Opens the embedded store in `options.dir`, creating or migrating what the plan needs. */
export function openSqliteStore(plan: Plan, options: StoreOptions): SqliteStore {
  const lock = lockDirectory(options.dir);
  const file = databaseFile(options.dir);
  let db: Database | undefined;
  try {
    db = openDatabase(file, options);
    migrate(db, plan, options);
    forgetSamples(db);
    return new SqliteStore(db, plan, options, lock);
  } catch (error) {
    db?.close();
    lock.release();
    throw describeOpenError(file, error);
  }
}

interface OpenTable {
  readonly table: SqliteTable;
  readonly context: Pick<WriteContext, 'table' | 'expiry' | 'audit'>;
  readonly log: LogState;
}

export class SqliteStore implements Store {
  readonly #db: Database;
  readonly #lock: DirectoryLock;
  readonly #tables = new Map<TablePlan, OpenTable>();
  readonly #rows: RowMemory;
  readonly #lists: SqliteLists;
  readonly #bulk: StatementCache;
  readonly #once: OnceTable;
  readonly #reads: ReadTurn;
  readonly #audit: AuditLog | undefined;
  readonly #positions: Positions;
  readonly #statements: Record<'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'undo', Statement>;
  /** The newest seq that was given out. */
  #last: number;
  /** The newest one that others may know. */
  #head: number;
  #now = 0;

  constructor(db: Database, plan: Plan, options: StoreOptions, lock: DirectoryLock) {
    this.#db = db;
    this.#lock = lock;
    this.#rows = new RowMemory(options.recordCache);
    this.#lists = new SqliteLists(db, options.largestScan);
    this.#bulk = new StatementCache(db);
    this.#once = new OnceTable(db, options.idempotency);
    this.#reads = new ReadTurn(db);
    this.#audit = openAudit(db, plan, { ...options.audit, largestScan: options.largestScan });
    for (const table of plan.tables) {
      const sqliteTable = new SqliteTable(db, table, this.#rows.open());
      const context = { table: sqliteTable, expiry: expiryOf(table), audit: this.#audit?.of(table) };
      this.#tables.set(table, { table: sqliteTable, context, log: new LogState(db, table, options.events) });
    }
    // It is there: migrating has saved it.
    const stored = readStored(db) as StoredSchema;
    this.#head = newestPosition(db, stored);
    this.#last = this.#head;
    const logs = [...this.#tables.values()].map(({ log }) => log);
    this.#positions = new Positions(db, { plan, stored, logs, head: this.#head });
    this.#statements = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      rollback: db.prepare('ROLLBACK'),
      savepoint: db.prepare('SAVEPOINT write_group'),
      release: db.prepare('RELEASE write_group'),
      undo: db.prepare('ROLLBACK TO write_group'),
    };
  }

  get head(): number {
    return this.#head;
  }

  get audit(): AuditReader | undefined {
    return this.#audit;
  }

  tableHead(table: TablePlan): number {
    return this.#of(table).log.head;
  }

  floor(table: TablePlan): number {
    return this.#of(table).log.floor;
  }

  oldest(table: TablePlan): number {
    return this.#of(table).log.oldest;
  }

  shapedAt(table: TablePlan): number {
    return this.#of(table).log.shapedAt;
  }

  knows(position: number): boolean {
    if (position >= this.#head) return position === this.#head;
    this.#reads.read();
    return this.#positions.knows(position);
  }

  get(plan: TablePlan, id: Key): StoredRecord | undefined {
    const { table } = this.#of(plan);
    const kept = table.kept(id);
    if (kept !== undefined) return toRecord(table, kept);
    this.#reads.read();
    const row = table.get(id);
    return row && toRecord(table, row);
  }

  page(plan: TablePlan, after: Key | undefined, limit: number): StoredRecord[] {
    this.#reads.read();
    const { table } = this.#of(plan);
    return table.page(after, limit).map((row) => toRecord(table, row));
  }

  list(plan: TablePlan, query: ListQuery): ListPage {
    this.#reads.read();
    return this.#lists.list(plan, query);
  }

  records(plan: TablePlan, query: ListQuery): StoredRecord[] {
    this.#reads.read();
    return this.#lists.records(plan, query);
  }

  related(selected: SelectedRelation, key: Cell): string {
    this.#reads.read();
    return this.#lists.related(selected, key);
  }

  readLog(plan: TablePlan, after: number, limit: number, id?: Key): Change[] {
    const { table, log } = this.#of(plan);
    if (after >= log.head) return [];
    if (id !== undefined && !log.mayHaveChanged(id, after)) return [];
    this.#reads.read();
    return table.log(after, limit, id).map(([seq, op, id, data, before]) => ({
      seq: seq as number,
      table: plan,
      op: OPS[(op as number) - 1] as Change['op'],
      id: id as Key | null,
      data: (data as string | null) ?? keyToJson(plan.primaryKey, id as Key),
      before: before as string | null,
    }));
  }

  expired(plan: TablePlan, now: number, limit: number): Key[] {
    this.#reads.read();
    return this.#of(plan).table.expired(now, limit);
  }

  isKept(once: Once): boolean {
    this.#reads.read();
    return this.#once.has(once, Date.now());
  }

  commit(groups: readonly (WriteGroup | OnceGroup)[]): CommitResult {
    const result = this.write(groups);
    this.publish(result);
    return result;
  }

  /** A commit whose changes are for nobody yet: positions, and what is known of the logs, stay until `publish`. */
  write(groups: readonly (WriteGroup | OnceGroup)[]): CommitResult {
    const last = this.#last;
    try {
      this.#reads.end();
      this.#statements.begin.run();
      // One clock for all: a batch has seqs next to each other.
      this.#now = Date.now();
      const changes: Change[] = [];
      const results = groups.map((group) =>
        'once' in group ? this.#applyOnce(group, changes) : this.#applyGroup(group, changes),
      );
      const trimmed = this.#removeSurplus();
      this.#positions.committing(changes);
      this.#statements.commit.run();
      this.#positions.committed(changes);
      for (const { log, removed } of trimmed) log.removed(removed);
      return { results, changes };
    } catch (error) {
      this.#last = last;
      this.#rows.clear();
      if (this.#db.inTransaction) this.#statements.rollback.run();
      throw storageError(error);
    }
  }

  /** To be called once for the result of each `write`, before the next one. */
  publish({ changes }: CommitResult): void {
    this.#head = this.#last;
    for (const change of changes) {
      this.#of(change.table).log.appended(change);
      this.#lists.committed(change);
    }
  }

  /**
   * Commits are flushed by somebody else from now on; checkpoints still flush before they begin the log anew. False where
   * the file system allows no write-ahead log (SQLite shares memory beside it): then all stays as it is.
   */
  leaveFlushing(): boolean {
    if (this.#db.pragma('journal_mode', { simple: true }) !== 'wal') return false;
    this.#db.pragma('synchronous = NORMAL');
    return true;
  }

  trim(now: number, limit: number): boolean {
    let left = false;
    try {
      this.#reads.end();
      for (const { log } of this.#tables.values()) left = log.trim(now, limit) || left;
      left = this.#once.trim(now, limit) || left;
      left = this.#audit?.trim(now, limit) || left;
    } catch (error) {
      throw storageError(error);
    }
    return left;
  }

  close(): void {
    this.#reads.end();
    try {
      keepStatistics(this.#db);
      this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // Another process holds the database: both can be done at the next start, and nothing is lost.
    }
    this.#db.close();
    this.#lock.release();
  }

  #removeSurplus(): { readonly log: LogState; readonly removed: Removed }[] {
    const trimmed = [];
    for (const { log } of this.#tables.values()) {
      const removed = log.removeSurplus();
      if (removed !== undefined) trimmed.push({ log, removed });
    }
    return trimmed;
  }

  #applyOnce({ once, writes }: OnceGroup, changes: Change[]): readonly WriteOutcome[] | AppError {
    try {
      const kept = this.#once.find(once, this.#now);
      if (kept !== undefined) return kept;
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
    const outcomes = this.#applyGroup(writes, changes);
    if (!(outcomes instanceof AppError)) this.#once.save(once, outcomes, this.#now);
    return outcomes;
  }

  /** A group of one record needs no savepoint: a statement that breaks a constraint undoes itself. */
  #applyGroup(group: WriteGroup, changes: Change[]): readonly WriteOutcome[] | AppError {
    const single = group.length === 1 && !group.some(isBulk);
    const start = changes.length;
    const last = this.#last;
    if (!single) this.#statements.savepoint.run();
    try {
      const outcomes = group.map((write) => this.#applyWrite(write, changes));
      if (!single) this.#statements.release.run();
      return outcomes;
    } catch (error) {
      const refused = error instanceof AppError ? error : constraintError(error);
      if (refused === undefined) throw error;
      changes.length = start;
      // A seq that was not committed must not be told to anybody as a position: a restart would not know it.
      this.#last = last;
      if (!single) {
        this.#rows.clear();
        this.#statements.undo.run();
        this.#statements.release.run();
      }
      return refused;
    }
  }

  #applyWrite(write: Write, changes: Change[]): WriteOutcome {
    const context = this.#context(write.table, changes);
    return isBulk(write) ? this.#applyBulk(write, context) : applyWrite(context, write);
  }

  /** The records are chosen here, in the transaction: what was written before it in the same commit counts. */
  #applyBulk(write: BulkWrite, context: WriteContext): WriteOutcome {
    const keys = chooseKeys(this.#bulk, context.table, write);
    return sumUp(
      keys.map((id) => applyWrite(context, writeOf(write, id))),
      this.#last,
    );
  }

  #context(plan: TablePlan, changes: Change[]): WriteContext {
    const now = this.#now;
    const { table, expiry, audit } = this.#of(plan).context;
    return {
      table,
      expiry,
      audit,
      now,
      // Ahead of the clock by one microsecond a change at most; the clock going back does not take the seq with it.
      nextSeq: () => {
        this.#last = Math.max(this.#last + 1, now * 1000);
        return this.#last;
      },
      committed: (change) => changes.push(change),
    };
  }

  #of(table: TablePlan): OpenTable {
    const open = this.#tables.get(table);
    if (open === undefined) throw new Error(`The store was not opened with the table ${table.name}.`);
    return open;
  }
}

function toRecord(table: SqliteTable, row: Row): StoredRecord {
  return { id: row[table.keyIndex] as Key, seq: row[row.length - 1] as number, json: table.codec.toJson(row) };
}
