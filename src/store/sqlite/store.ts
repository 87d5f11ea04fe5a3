import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { JsonRecord, ListQuery, QueryPlan, RelatedCondition, SelectedRelation } from '../../query/index.ts';
import type { StoredSchema } from '../../schema/migration/stored.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import type { AuditReader } from '../audit.ts';
import { expiryOf } from '../expiry.ts';
import { TableSizes } from '../rows/table-sizes.ts';
import type { StorageHealth } from '../storage-health.ts';
import type {
  Aggregate,
  Awaitable,
  Cell,
  Change,
  CommitResult,
  IdempotencyKey,
  IdempotentGroup,
  ListPage,
  RecordKey,
  RecordsBy,
  Store,
  StoredRecord,
  StoreOptions,
  WriteGroup,
} from '../store.ts';
import { type AuditLog, openAudit } from './audit.ts';
import { storageError } from './database/errors.ts';
import { type DirectoryLock, HOLDER_FILE, lockDirectory } from './database/lock.ts';
import { databaseFile, describeOpenError, forgetSamples, keepStatistics, openDatabase } from './database/open.ts';
import { ReadTransaction } from './database/read-transaction.ts';
import { SnapshotPool } from './database/snapshots.ts';
import { IssuedPositions } from './log/issued-positions.ts';
import { newestPosition } from './log/layout.ts';
import { LogEntries, LogState, toChange } from './log/log.ts';
import { addTransactionColumn } from './migrate/ddl.ts';
import { migrate } from './migrate/migrate.ts';
import { readStored } from './migrate/saved.ts';
import { Commits, type WrittenTable } from './records/commit.ts';
import { IdempotencyTable } from './records/idempotency.ts';
import { ScanCheck } from './records/lists.ts';
import { LongLists } from './records/long-lists.ts';
import { SqliteReader, toRecord } from './records/reader.ts';
import { RelatedRecords } from './records/related-records.ts';
import { RowCachePool } from './records/row-cache.ts';
import { SqliteTable } from './records/table.ts';

/** Opens the embedded store in `options.dir`, creating or migrating what the plan needs. */
export function openSqliteStore(plan: Plan, options: StoreOptions): SqliteStore {
  const file = databaseFile(options.dir);
  // This file exists only after a server has opened the folder.
  const isMissing = !existsSync(file) && existsSync(join(options.dir, HOLDER_FILE));
  const lock = lockDirectory(options.dir);
  let db: Database | undefined;
  try {
    db = openDatabase(file, options);
    migrate(db, plan, options);
    addTransactionColumns(db, plan);
    forgetSamples(db);
    if (isMissing)
      options.onWarning?.(`${file} was not there, though a server has used the folder: it begins without records`);
    return new SqliteStore(db, plan, options, lock);
  } catch (error) {
    db?.close();
    lock.release();
    throw describeOpenError(file, error);
  }
}

/** Embedded store on one connection. Every method but `list` of long lists runs synchronously. */
export class SqliteStore implements Store {
  readonly #db: Database;
  readonly #lock: DirectoryLock;
  readonly #tables = new Map<TablePlan, WrittenTable>();
  readonly #reader: SqliteReader;
  /** Readers on other connections. */
  readonly #readers = new WeakMap<Database, SqliteReader>();
  readonly snapshots: SnapshotPool;
  readonly longLists: LongLists;
  readonly #sizes: TableSizes;
  readonly #scans: ScanCheck;
  readonly #once: IdempotencyTable;
  readonly #reads: ReadTransaction;
  readonly #audit: AuditLog | undefined;
  readonly #positions: IssuedPositions;
  readonly #commits: Commits;
  readonly #health: StorageHealth | undefined;
  readonly #unwatch: (() => void) | undefined;
  /** Newest seq that was published. */
  #lastSeq: number;

  constructor(db: Database, plan: Plan, options: StoreOptions, lock: DirectoryLock) {
    this.#db = db;
    this.#lock = lock;
    this.snapshots = new SnapshotPool(db.name);
    this.longLists = new LongLists(this.snapshots, (db) => this.readerOn(db));
    const rows = new RowCachePool(options.recordCache);
    this.#sizes = new TableSizes(options.largestScan);
    this.#scans = new ScanCheck(db, this.#sizes);
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
    const readers = new Map([...this.#tables].map(([plan, { table }]) => [plan, table]));
    const reads = { scans: this.#scans, lastSeq: () => this.#lastSeq };
    this.#reader = new SqliteReader(db, { ...reads, beforeRead: () => this.#reads.read(), rows: readers });
    // `migrate` has saved it.
    const stored = readStored(db) as StoredSchema;
    this.#lastSeq = newestPosition(db, stored);
    const logs = [...this.#tables.values()].map(({ log }) => log);
    this.#positions = new IssuedPositions(db, { plan, stored, logs, lastSeq: this.#lastSeq });
    const parts = {
      tables: this.#tables,
      positions: this.#positions,
      once: this.#once,
      related: new RelatedRecords(db),
      largestCascade: options.largestCascade,
    };
    this.#commits = new Commits(db, parts, this.#lastSeq);
    this.#health = options.health;
    this.#unwatch = options.health?.watch(db.name);
    options.health?.probeWith(() => this.#probe());
  }

  /** Path of the database. */
  get file(): string {
    return this.#db.name;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  get audit(): AuditReader | undefined {
    return this.#audit;
  }

  lastTableSeq(table: TablePlan): number {
    return this.#of(table).log.lastSeq;
  }

  resumeFloor(table: TablePlan): number {
    return this.#of(table).log.resumeFloor;
  }

  logStart(table: TablePlan): number {
    return this.#of(table).log.logStart;
  }

  layoutSeq(table: TablePlan): number {
    return this.#of(table).log.layoutSeq;
  }

  currentSeq(): number {
    return this.lastSeq;
  }

  hasReached(position: number): boolean {
    return position <= this.lastSeq;
  }

  wasIssued(position: number): boolean {
    if (position >= this.#lastSeq) return position === this.#lastSeq;
    this.#reads.read();
    return this.#positions.wasIssued(position);
  }

  /** Returns a record that is in memory. */
  getCached(plan: TablePlan, id: RecordKey): StoredRecord | undefined {
    const { table } = this.#of(plan);
    const row = table.getCached(id);
    return row && toRecord(table, row);
  }

  get(plan: TablePlan, id: RecordKey): StoredRecord | undefined {
    const { table } = this.#of(plan);
    const cached = table.getCached(id);
    if (cached !== undefined) return toRecord(table, cached);
    const row = this.#reader.row(plan, id);
    if (row === undefined) return undefined;
    table.cache(id, row);
    return toRecord(table, row);
  }

  page(plan: TablePlan, after: RecordKey | undefined, limit: number): StoredRecord[] {
    return this.#reader.page(plan, after, limit);
  }

  list(plan: TablePlan, query: ListQuery): Awaitable<ListPage> {
    const { longLists } = this;
    return (longLists.accepts(query) ? longLists.list(plan, query) : undefined) ?? this.#reader.list(plan, query);
  }

  records(plan: TablePlan, query: ListQuery): StoredRecord[] {
    return this.#reader.records(plan, query);
  }

  aggregate(plan: TablePlan, query: ListQuery): Aggregate {
    return this.#reader.aggregate(plan, query);
  }

  checkScan(plan: TablePlan, query: ListQuery): void {
    this.#reader.checkScan(plan, query);
  }

  explain(plan: TablePlan, query: ListQuery): QueryPlan {
    return this.#reader.explain(plan, query);
  }

  related(selected: SelectedRelation, key: Cell): string {
    return this.#reader.related(selected, key);
  }

  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord): boolean {
    return this.#reader.isRelated(table, condition, record);
  }

  recordsBy(table: TablePlan, by: RecordsBy): StoredRecord[] {
    return this.#reader.recordsBy(table, by);
  }

  readLog(plan: TablePlan, after: number, limit: number, id?: RecordKey): Change[] {
    const { table, log } = this.#of(plan);
    if (after >= log.lastSeq) return [];
    if (id !== undefined && !log.mayHaveChanged(id, after)) return [];
    this.#reads.read();
    return table.log(after, limit, id).map((row) => toChange(plan, row));
  }

  readLogBack(plan: TablePlan, before: number, limit: number): Change[] {
    this.#reads.read();
    return this.#of(plan)
      .table.logBack(before, limit)
      .map((row) => toChange(plan, row));
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

  /** Commits without publishing: positions and the state of the logs do not change until `publish`. */
  write(groups: readonly (WriteGroup | IdempotentGroup)[]): CommitResult {
    this.#health?.check();
    try {
      this.#reads.end();
      return this.#commits.write(groups);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Publishes the result of a `write`; must be called once for each, before the next one. */
  publish({ changes }: CommitResult): void {
    this.#lastSeq = this.#commits.last;
    for (const change of changes) {
      this.#of(change.table).log.appended(change);
      this.#sizes.committed(change);
    }
  }

  /** Returns the reader of the records on another connection, which sees what has been published. */
  readerOn(db: Database): SqliteReader {
    let reader = this.#readers.get(db);
    if (reader === undefined) {
      reader = new SqliteReader(db, { scans: this.#scans, lastSeq: () => this.#lastSeq });
      this.#readers.set(db, reader);
    }
    return reader;
  }

  /**
   * Leaves the flush of commits to the caller from now on; checkpoints still flush before they restart the log. False,
   * and nothing changes, where the file system has no write-ahead log, which needs shared memory.
   */
  useExternalFlush(): boolean {
    if (this.#db.pragma('journal_mode', { simple: true }) !== 'wal') return false;
    this.#db.pragma('synchronous = NORMAL');
    return true;
  }

  trim(now: number, limit: number): boolean {
    let hasMore = false;
    this.#health?.check();
    try {
      this.#reads.end();
      for (const { log } of this.#tables.values()) hasMore = log.trim(now, limit) || hasMore;
      hasMore = this.#once.trim(now, limit) || hasMore;
      hasMore = this.#audit?.trim(now, limit) || hasMore;
    } catch (error) {
      throw this.#failure(error);
    }
    return hasMore;
  }

  close(): void {
    this.#unwatch?.();
    this.#reads.end();
    this.snapshots.close();
    try {
      keepStatistics(this.#db);
      this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // Another process holds the database: both can wait for the next start, and nothing is lost.
    }
    this.#db.close();
    this.#lock.release();
  }

  #failure(error: unknown): unknown {
    const failure = storageError(error);
    this.#health?.report(failure);
    return failure;
  }

  /** Commits a value that is never read. */
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

/** Prepares logs from before there were transactions. */
function addTransactionColumns(db: Database, { tables }: Plan): void {
  const find = db.prepare("SELECT 1 FROM pragma_table_info(?) WHERE name = 'tx'");
  for (const table of tables) {
    if (find.get(`${table.database}/${table.table}:log`) === undefined) db.exec(addTransactionColumn(table));
  }
}
