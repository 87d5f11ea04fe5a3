import { AppError } from '../../errors.ts';
import type { JsonRecord, ListQuery, RelatedCondition, SelectedRelation } from '../../query/index.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import type { AuditQuery, AuditReader } from '../audit.ts';
import type { StorageHealth } from '../storage-health.ts';
import type {
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
import { databaseFile } from './database/open.ts';
import { WalFlush } from './database/wal-flush.ts';
import { openSqliteStore, type SqliteStore } from './store.ts';

/** Opens the embedded store with the durability that `options` ask for. */
export function openEmbeddedStore(plan: Plan, options: StoreOptions): Store {
  const store = openSqliteStore(plan, options);
  if (options.durability === 'normal' || !store.useExternalFlush()) return store;
  return new DurableStore(store, new WalFlush(databaseFile(options.dir)), options.health);
}

/**
 * Embedded store with `durability: full`. SQLite itself would block the event loop until a commit is on the disk; here the
 * flush runs on another thread. Until it is done the commit is invisible: positions are those before it, and reads of
 * records or of the log wait.
 */
export class DurableStore implements Store {
  readonly #store: SqliteStore;
  readonly #flush: WalFlush;
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

  /** Answers without waiting: a commit that is being flushed has issued no position yet. */
  wasIssued(position: number): boolean {
    return this.#store.wasIssued(position);
  }

  get(table: TablePlan, id: RecordKey): Awaitable<StoredRecord | undefined> {
    return this.#read(() => this.#store.get(table, id));
  }

  page(table: TablePlan, after: RecordKey | undefined, limit: number): Awaitable<readonly StoredRecord[]> {
    return this.#read(() => this.#store.page(table, after, limit));
  }

  list(table: TablePlan, query: ListQuery): Awaitable<ListPage> {
    return this.#read(() => this.#store.list(table, query));
  }

  records(table: TablePlan, query: ListQuery): Awaitable<readonly StoredRecord[]> {
    return this.#read(() => this.#store.records(table, query));
  }

  related(selected: SelectedRelation, key: Cell): Awaitable<string> {
    return this.#read(() => this.#store.related(selected, key));
  }

  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord): Awaitable<boolean> {
    return this.#read(() => this.#store.isRelated(table, condition, record));
  }

  recordsBy(table: TablePlan, by: RecordsBy): Awaitable<readonly StoredRecord[]> {
    return this.#read(() => this.#store.recordsBy(table, by));
  }

  readLog(table: TablePlan, after: number, limit: number, id?: RecordKey): Awaitable<readonly Change[]> {
    return this.#read(() => this.#store.readLog(table, after, limit, id));
  }

  expired(table: TablePlan, now: number, limit: number): Awaitable<readonly RecordKey[]> {
    return this.#read(() => this.#store.expired(table, now, limit));
  }

  isStored(once: IdempotencyKey): Awaitable<boolean> {
    return this.#read(() => this.#store.isStored(once));
  }

  commit(groups: readonly (WriteGroup | IdempotentGroup)[]): Awaitable<CommitResult> {
    if (this.#pending !== undefined) return this.#pending.flushed.then(() => this.commit(groups));
    const result = this.#store.write(groups);
    const flushing = wroteNothing(groups, result) ? undefined : this.#begin();
    if (flushing === undefined) {
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
    this.#store.close();
    this.#flush.close();
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
    this.#store.publish(result);
  }

  #fail(error: unknown): AppError {
    if (this.#failure === undefined) {
      this.#failure = flushError(error);
      this.#health?.report(this.#failure, true);
    }
    return this.#failure;
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
