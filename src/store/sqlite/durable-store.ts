import { AppError } from '../../errors.ts';
import type { ListQuery, SelectedRelation } from '../../query/index.ts';
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
 * The embedded store with `durability: full`. SQLite itself would keep the event loop until the disk has a commit; here
 * the flush goes on beside it. Until it is done nobody is shown what was committed: positions are those before it, and
 * whoever reads records or the log waits.
 */
export class DurableStore implements Store {
  readonly #store: SqliteStore;
  readonly #flush: WalFlush;
  readonly #health: StorageHealth | undefined;
  readonly #audit: AuditReader | undefined;
  /** A commit that is not on the disk yet. It stays, rejected, when the disk did not take it. */
  #pending: { readonly result: CommitResult; readonly flushed: Promise<void> } | undefined;
  #failure: AppError | undefined;

  /** `store` must not flush by itself any more. */
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

  /** At once: a commit that is being flushed has given out nothing yet. */
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
    // Whoever has waited for it reads first.
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
    // After the writers, who are answered in the turn in which it is flushed: they are not told of their own writes.
    return this.#pending.flushed.then(nextTurn).then(() => this.#read(read));
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Refused writes, and writes that change nothing, leave nothing to be flushed; kept outcomes do. */
function wroteNothing(groups: readonly (WriteGroup | IdempotentGroup)[], { changes }: CommitResult): boolean {
  return changes.length === 0 && !groups.some((group) => 'once' in group);
}

/**
 * What a disk has not taken may be there or not, and a second try would prove nothing: the operating system takes it
 * for written then. Only a start from what the disk has tells.
 */
function flushError(error: unknown): AppError {
  const message =
    'The disk did not take what was written. Nothing more is read or written until the server is started again.';
  return new AppError('STORAGE_FULL', message, { cause: error });
}
