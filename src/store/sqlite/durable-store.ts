import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import { AppError } from '../../errors.ts';
import type { JsonRecord, ListQuery, QueryPlan, RelatedCondition, SelectedRelation } from '../../query/index.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import type { AuditQuery, AuditReader } from '../audit.ts';
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
import { PinnedSnapshot } from './database/pinned-snapshot.ts';
import type { SqliteReader } from './records/reader.ts';
import { openSqliteStore, type SqliteStore } from './store.ts';

/** Opens the embedded store with the durability that `options` ask for. */
export function openEmbeddedStore(plan: Plan, options: StoreOptions): Store {
  const store = openSqliteStore(plan, options);
  if (options.durability === 'normal' || !store.useExternalFlush()) return store;
  return new DurableStore(store, new WalFlush(store.file), options.health);
}

/**
 * Commits that are pinned after a read that had to wait for one: where records are read while others are written, the next
 * reads need not wait; where they are only written, commits do not pay for readers that are not there.
 */
const PINNED_COMMITS = 256;

/**
 * Embedded store with `durability: full`. SQLite itself would block the event loop until a commit is on the disk; here the
 * flush runs on another thread. Until it is done the commit is invisible: positions are those before it, reads of records
 * see the database as it was, and reads of the log wait.
 */
export class DurableStore implements Store {
  readonly #store: SqliteStore;
  readonly #flush: WalFlush;
  /** The database as it was before the commit that is being flushed. */
  #before: PinnedSnapshot | undefined;
  /** Commits before which the database is still to be pinned. */
  #toPin = 0;
  readonly #health: StorageHealth | undefined;
  readonly #audit: AuditReader | undefined;
  /** Commit that is not on the disk yet. It stays, rejected, when the flush failed. */
  #pending: { readonly result: CommitResult; readonly flushed: Promise<void> } | undefined;
  #failure: AppError | undefined;

  /** `store.useExternalFlush()` must have returned true. */
  constructor(store: SqliteStore, flush: WalFlush, health?: StorageHealth) {
    this.#store = store;
    this.#flush = flush;
    this.#health = health;
    const { audit } = store;
    this.#audit = audit && { page: (query: AuditQuery) => this.#read(() => audit.page(query)) };
  }

  get lastSeq(): number {
    return this.#store.lastSeq;
  }

  get audit(): AuditReader | undefined {
    return this.#audit;
  }

  lastTableSeq(table: TablePlan): number {
    return this.#store.lastTableSeq(table);
  }

  resumeFloor(table: TablePlan): number {
    return this.#store.resumeFloor(table);
  }

  logStart(table: TablePlan): number {
    return this.#store.logStart(table);
  }

  layoutSeq(table: TablePlan): number {
    return this.#store.layoutSeq(table);
  }

  currentSeq(): number {
    return this.lastSeq;
  }

  hasReached(position: number): boolean {
    return position <= this.lastSeq;
  }

  /** Answers without waiting: a commit that is being flushed has issued no position yet. */
  wasIssued(position: number): boolean {
    return this.#store.wasIssued(position);
  }

  get(table: TablePlan, id: RecordKey): Awaitable<StoredRecord | undefined> {
    if (this.#pending !== undefined && this.#failure === undefined) {
      const cached = this.#store.getCached(table, id);
      // Not one of the commit that is being flushed.
      if (cached !== undefined && cached.seq <= this.lastSeq) return cached;
    }
    return this.#readRecords((records) => records.get(table, id));
  }

  page(table: TablePlan, after: RecordKey | undefined, limit: number): Awaitable<readonly StoredRecord[]> {
    return this.#readRecords((records) => records.page(table, after, limit));
  }

  list(table: TablePlan, query: ListQuery): Awaitable<ListPage> {
    const { longLists } = this.#store;
    const snapshot = longLists.accepts(query) ? this.#before?.handOver() : undefined;
    if (snapshot !== undefined) return longLists.listOn(snapshot, table, query);
    return this.#readRecords((records) => records.list(table, query));
  }

  records(table: TablePlan, query: ListQuery): Awaitable<readonly StoredRecord[]> {
    return this.#readRecords((records) => records.records(table, query));
  }

  aggregate(table: TablePlan, query: ListQuery): Awaitable<Aggregate> {
    return this.#readRecords((records) => records.aggregate(table, query));
  }

  /** Answers without waiting: a commit that is being flushed hardly changes the size of the table. */
  checkScan(table: TablePlan, query: ListQuery): void {
    this.#store.checkScan(table, query);
  }

  explain(table: TablePlan, query: ListQuery): Awaitable<QueryPlan> {
    return this.#readRecords((records) => records.explain(table, query));
  }

  related(selected: SelectedRelation, key: Cell): Awaitable<string> {
    return this.#readRecords((records) => records.related(selected, key));
  }

  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord): Awaitable<boolean> {
    return this.#readRecords((records) => records.isRelated(table, condition, record));
  }

  recordsBy(table: TablePlan, by: RecordsBy): Awaitable<readonly StoredRecord[]> {
    return this.#readRecords((records) => records.recordsBy(table, by));
  }

  readLog(table: TablePlan, after: number, limit: number, id?: RecordKey): Awaitable<readonly Change[]> {
    return this.#read(() => this.#store.readLog(table, after, limit, id));
  }

  readLogBack(table: TablePlan, before: number, limit: number): Awaitable<readonly Change[]> {
    return this.#read(() => this.#store.readLogBack(table, before, limit));
  }

  expired(table: TablePlan, now: number, limit: number): Awaitable<readonly RecordKey[]> {
    return this.#read(() => this.#store.expired(table, now, limit));
  }

  isStored(once: IdempotencyKey): Awaitable<boolean> {
    return this.#read(() => this.#store.isStored(once));
  }

  commit(groups: readonly (WriteGroup | IdempotentGroup)[]): Awaitable<CommitResult> {
    if (this.#pending !== undefined) return this.#pending.flushed.then(() => this.commit(groups));
    const { result, flushing } = this.#write(groups);
    if (flushing === undefined) {
      this.#before?.release();
      this.#store.publish(result);
      return result;
    }
    const flushed = flushing.then(
      () => this.#publish(result),
      (error) => {
        throw this.#fail(error);
      },
    );
    this.#pending = { result, flushed };
    return flushed.then(() => result);
  }

  trim(now: number, limit: number): Awaitable<boolean> {
    return this.#read(() => this.#store.trim(now, limit));
  }

  async close(): Promise<void> {
    await this.#pending?.flushed.catch(() => {});
    // Reads that waited for it run first.
    await nextTurn();
    this.#before?.close();
    this.#store.close();
    this.#flush.close();
  }

  #write(groups: readonly (WriteGroup | IdempotentGroup)[]): {
    readonly result: CommitResult;
    /** Undefined when there is nothing to wait for. */
    readonly flushing: Promise<void> | undefined;
  } {
    if (this.#toPin > 0) {
      this.#toPin--;
      this.#before ??= new PinnedSnapshot(this.#store.snapshots);
      this.#before.pin();
    }
    try {
      const result = this.#store.write(groups);
      return { result, flushing: wroteNothing(groups, result) ? undefined : this.#begin() };
    } catch (error) {
      this.#before?.release();
      throw error;
    }
  }

  #begin(): Promise<void> | undefined {
    try {
      return this.#flush.run();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #publish(result: CommitResult): void {
    this.#pending = undefined;
    this.#before?.release();
    this.#store.publish(result);
  }

  #fail(error: unknown): AppError {
    if (this.#failure === undefined) {
      this.#failure = flushError(error);
      this.#before?.close();
      this.#health?.report(this.#failure, true);
    }
    return this.#failure;
  }

  /** Reads records: while a commit is being flushed, as they were before it. */
  #readRecords<T>(read: (records: SqliteStore | SqliteReader) => Awaitable<T>): Awaitable<T> {
    if (this.#pending !== undefined) {
      const db = this.#before?.pinned;
      if (db !== undefined) return read(this.#store.readerOn(db));
      this.#toPin = PINNED_COMMITS;
    }
    return this.#read(() => read(this.#store));
  }

  #read<T>(read: () => Awaitable<T>): Awaitable<T> {
    if (this.#pending === undefined) return read();
    // After the writers, which are answered in the turn of the flush: so a writer can suppress its own changes.
    return this.#pending.flushed.then(nextTurn).then(() => this.#read(read));
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** True when nothing has to be flushed: all writes were refused or changed nothing, and no outcomes were stored. */
function wroteNothing(groups: readonly (WriteGroup | IdempotentGroup)[], { changes }: CommitResult): boolean {
  return changes.length === 0 && !groups.some((group) => 'once' in group);
}

/**
 * Error of a failed flush. The data may be on the disk or not, and a second fsync would prove nothing: the operating
 * system marks the pages as clean after a failed one. Only a restart, which reads the disk, can tell.
 */
function flushError(error: unknown): AppError {
  const message =
    'The disk did not take what was written. Nothing more is read or written until the server is started again.';
  return new AppError('STORAGE_FULL', message, { cause: error });
}

/**
 * Milliseconds. A flush that takes less is run on the event loop: the way to another thread and back takes about as long,
 * and writes that arrive meanwhile would make another, smaller commit.
 */
const MAX_BLOCKING_MS = 0.4;
/** Flushes between two that are run on the event loop even when they take long, to measure them. */
const SAMPLE_INTERVAL = 64;
/** Divisor of the weight of a flush that took longer than usual: disks are slow once in a while. */
const SLOW_FLUSH_DIVISOR = 8;

/** Decides from the durations of earlier flushes whether the next one may block the event loop. */
export class FlushTimer {
  readonly #maxBlockingMs: number;
  /** Milliseconds of a usual flush; quick ones count in full, slow ones in part. */
  #usualMs = Number.POSITIVE_INFINITY;
  #flushes = 0;

  constructor(maxBlockingMs = MAX_BLOCKING_MS) {
    this.#maxBlockingMs = maxBlockingMs;
  }

  /** True when the next flush should be run on the event loop. Call it once before each flush. */
  shouldBlock(): boolean {
    return this.#flushes++ % SAMPLE_INTERVAL === 0 || this.#usualMs < this.#maxBlockingMs;
  }

  /** Adds the duration of a flush that was run on the event loop. */
  measured(milliseconds: number): void {
    const usual = this.#usualMs;
    this.#usualMs = milliseconds < usual ? milliseconds : usual + (milliseconds - usual) / SLOW_FLUSH_DIVISOR;
  }
}

/**
 * Flushes SQLite's write-ahead log to the disk, on another thread where that takes long. The file stays the same one
 * while the database is open: SQLite overwrites it from the start after a checkpoint.
 */
export class WalFlush {
  readonly #file: string;
  readonly #timer: FlushTimer;
  #descriptor: number | undefined;

  /** `file`: the database; `maxBlockingMs`: usual duration up to which a flush blocks the event loop. */
  constructor(file: string, maxBlockingMs?: number) {
    this.#file = `${file}-wal`;
    this.#timer = new FlushTimer(maxBlockingMs);
  }

  /** Flushes everything that is committed; undefined when that is done already. Throws, or rejects with, the error of the disk. */
  run(): Promise<void> | undefined {
    if (this.#timer.shouldBlock()) {
      const start = performance.now();
      fdatasyncSync(this.#open());
      this.#timer.measured(performance.now() - start);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      fdatasync(this.#open(), (error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** Opens for writing, since Windows flushes only such files. */
  #open(): number {
    this.#descriptor ??= openSync(this.#file, 'r+');
    return this.#descriptor;
  }
}
