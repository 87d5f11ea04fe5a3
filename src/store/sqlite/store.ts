import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { ListQuery, SelectedRelation } from '../../query/index.ts';
import { withoutForbiddenKeys } from '../../schema/forbidden-key.ts';
import type { StoredSchema } from '../../schema/migration/stored.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import type { AuditReader } from '../audit.ts';
import { expiryOf } from '../expiry.ts';
import type { StorageHealth } from '../storage-health.ts';
import type {
  Cell,
  Change,
  CommitResult,
  IdempotencyKey,
  IdempotentGroup,
  ListPage,
  RecordKey,
  Store,
  StoredRecord,
  StoreOptions,
  WriteGroup,
} from '../store.ts';
import { type AuditLog, openAudit } from './audit.ts';
import { storageError } from './database/errors.ts';
import { type DirectoryLock, HOLDER_FILE, lockDirectory } from './database/lock.ts';
import { databaseFile, describeOpenError, openDatabase } from './database/open.ts';
import { ReadTransaction } from './database/read-transaction.ts';
import { forgetSamples, keepStatistics } from './database/statistics.ts';
import { LogEntries } from './log/entries.ts';
import { IssuedPositions } from './log/issued-positions.ts';
import { newestPosition } from './log/layout.ts';
import { LogState } from './log/log.ts';
import { migrate } from './migrate/migrate.ts';
import { readStored } from './migrate/saved.ts';
import { keyToJson } from './records/apply-write.ts';
import { Commits, type WrittenTable } from './records/commit.ts';
import { IdempotencyTable } from './records/idempotency.ts';
import { SqliteLists } from './records/lists.ts';
import { RowCachePool } from './records/row-cache.ts';
import { OPS, type Row, SqliteTable } from './records/table.ts';

/** Opens the embedded store in `options.dir`, creating or migrating what the plan needs. */
export function openSqliteStore(plan: Plan, options: StoreOptions): SqliteStore {
  const file = databaseFile(options.dir);
  // Only a server that has opened the folder leaves that.
  const isEmptied = !existsSync(file) && existsSync(join(options.dir, HOLDER_FILE));
  const lock = lockDirectory(options.dir);
  let db: Database | undefined;
  try {
    db = openDatabase(file, options);
    migrate(db, plan, options);
    forgetSamples(db);
    if (isEmptied)
      options.onWarning?.(`${file} was not there, though a server has used the folder: it begins without records`);
    return new SqliteStore(db, plan, options, lock);
  } catch (error) {
    db?.close();
    lock.release();
    throw describeOpenError(file, error);
  }
}

export class SqliteStore implements Store {
  readonly #db: Database;
  readonly #lock: DirectoryLock;
  readonly #tables = new Map<TablePlan, WrittenTable>();
  readonly #lists: SqliteLists;
  readonly #once: IdempotencyTable;
  readonly #reads: ReadTransaction;
  readonly #audit: AuditLog | undefined;
  readonly #positions: IssuedPositions;
  readonly #commits: Commits;
  readonly #health: StorageHealth | undefined;
  readonly #unwatch: (() => void) | undefined;
  /** The newest seq that others may know. */
  #head: number;

  constructor(db: Database, plan: Plan, options: StoreOptions, lock: DirectoryLock) {
    this.#db = db;
    this.#lock = lock;
    const rows = new RowCachePool(options.recordCache);
    this.#lists = new SqliteLists(db, options.largestScan);
    this.#once = new IdempotencyTable(db, options.idempotency);
    this.#reads = new ReadTransaction(db);
    this.#audit = openAudit(db, plan, { ...options.audit, largestScan: options.largestScan });
    for (const table of plan.tables) {
      const writes = {
        table: new SqliteTable(db, table, rows.open()),
        expiry: expiryOf(table),
        audit: this.#audit?.of(table),
      };
      this.#tables.set(table, {
        ...writes,
        log: new LogState(db, table, options.events),
        entries: new LogEntries(db, table),
      });
    }
    // It is there: migrating has saved it.
    const stored = readStored(db) as StoredSchema;
    this.#head = newestPosition(db, stored);
    const logs = [...this.#tables.values()].map(({ log }) => log);
    this.#positions = new IssuedPositions(db, { plan, stored, logs, head: this.#head });
    const parts = { tables: this.#tables, positions: this.#positions, once: this.#once };
    this.#commits = new Commits(db, parts, this.#head);
    this.#health = options.health;
    this.#unwatch = options.health?.watch(db.name);
    options.health?.probeWith(() => this.#probe());
  }

  get lastSeq(): number {
    return this.#head;
  }

  get audit(): AuditReader | undefined {
    return this.#audit;
  }

  lastTableSeq(table: TablePlan): number {
    return this.#of(table).log.head;
  }

  resumeFloor(table: TablePlan): number {
    return this.#of(table).log.floor;
  }

  logStart(table: TablePlan): number {
    return this.#of(table).log.oldest;
  }

  layoutSeq(table: TablePlan): number {
    return this.#of(table).log.shapedAt;
  }

  wasIssued(position: number): boolean {
    if (position >= this.#head) return position === this.#head;
    this.#reads.read();
    return this.#positions.knows(position);
  }

  get(plan: TablePlan, id: RecordKey): StoredRecord | undefined {
    const { table } = this.#of(plan);
    const kept = table.kept(id);
    if (kept !== undefined) return toRecord(table, kept);
    this.#reads.read();
    const row = table.get(id);
    if (row === undefined) return undefined;
    table.keep(id, row);
    return toRecord(table, row);
  }

  page(plan: TablePlan, after: RecordKey | undefined, limit: number): StoredRecord[] {
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

  readLog(plan: TablePlan, after: number, limit: number, id?: RecordKey): Change[] {
    const { table, log } = this.#of(plan);
    if (after >= log.head) return [];
    if (id !== undefined && !log.mayHaveChanged(id, after)) return [];
    this.#reads.read();
    return table.log(after, limit, id).map(([seq, op, id, data, before]) => ({
      seq: seq as number,
      table: plan,
      op: OPS[(op as number) - 1] as Change['op'],
      id: id as RecordKey | null,
      data: data === null ? keyToJson(plan.primaryKey, id as RecordKey) : withoutForbiddenKeys(data as string),
      before: before === null ? null : withoutForbiddenKeys(before as string),
    }));
  }

  expired(plan: TablePlan, now: number, limit: number): RecordKey[] {
    this.#reads.read();
    return this.#of(plan).table.expired(now, limit);
  }

  isStored(once: IdempotencyKey): boolean {
    this.#reads.read();
    return this.#once.has(once, Date.now());
  }

  commit(groups: readonly (WriteGroup | IdempotentGroup)[]): CommitResult {
    const result = this.write(groups);
    this.publish(result);
    return result;
  }

  /** A commit whose changes are for nobody yet: positions, and what is known of the logs, stay until `publish`. */
  write(groups: readonly (WriteGroup | IdempotentGroup)[]): CommitResult {
    this.#health?.check();
    try {
      this.#reads.end();
      return this.#commits.write(groups);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** To be called once for the result of each `write`, before the next one. */
  publish({ changes }: CommitResult): void {
    this.#head = this.#commits.last;
    for (const change of changes) {
      this.#of(change.table).log.appended(change);
      this.#lists.committed(change);
    }
  }

  /**
   * Commits are flushed by somebody else from now on; checkpoints still flush before they begin the log anew. False where
   * the file system allows no write-ahead log (SQLite shares memory beside it): then all stays as it is.
   */
  useExternalFlush(): boolean {
    if (this.#db.pragma('journal_mode', { simple: true }) !== 'wal') return false;
    this.#db.pragma('synchronous = NORMAL');
    return true;
  }

  trim(now: number, limit: number): boolean {
    let left = false;
    this.#health?.check();
    try {
      this.#reads.end();
      for (const { log } of this.#tables.values()) left = log.trim(now, limit) || left;
      left = this.#once.trim(now, limit) || left;
      left = this.#audit?.trim(now, limit) || left;
    } catch (error) {
      throw this.#failure(error);
    }
    return left;
  }

  close(): void {
    this.#unwatch?.();
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

  #failure(error: unknown): unknown {
    const failure = storageError(error);
    this.#health?.report(failure);
    return failure;
  }

  /** A commit of its own, whose value nothing reads. */
  #probe(): void {
    this.#reads.end();
    this.#db.prepare("INSERT OR REPLACE INTO tablecast_meta VALUES ('probe', ?)").run(String(Date.now()));
  }

  #of(table: TablePlan): WrittenTable {
    const open = this.#tables.get(table);
    if (open === undefined) throw new Error(`The store was not opened with the table ${table.name}.`);
    return open;
  }
}

function toRecord(table: SqliteTable, row: Row): StoredRecord {
  return { id: row[table.keyIndex] as RecordKey, seq: row[row.length - 1] as number, json: table.codec.toJson(row) };
}
