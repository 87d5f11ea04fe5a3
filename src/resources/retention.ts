import { AppError } from '../errors.ts';
import type { Plan, TablePlan } from '../schema/plan.ts';
import { expiryOf } from '../store/expiry.ts';
import type { TaskLease } from '../store/shared-store.ts';
import type { RecordKey, Store } from '../store/store.ts';
import type { WriteQueue } from '../store/write-queue.ts';

const INTERVAL_MS = 1000;
/** Records removed, or log entries trimmed, before other work runs. */
const MAX_BATCH_ITEMS = 500;
/** The same for records that others refer to, each of which may delete many. */
const MAX_BATCH_REFERRED = 20;
/** Milliseconds for which a record is left alone whose deletion was refused, since others refer to it. */
const HELD_RETRY_MS = 60_000;
/** Maximum of such records of a table, beyond which the others wait. */
const MAX_HELD = 10_000;
const EXPIRATION = { type: 'expiration' } as const;

export interface RetentionContext {
  readonly plan: Plan;
  readonly store: Store;
  readonly commits: WriteQueue;
  onError(error: unknown): void;
}

interface KeptRecords {
  readonly keys: Set<RecordKey>;
  /** Milliseconds of `performance.now()`. */
  readonly since: number;
}

/** Removes expired records, as ordinary deletes, and entries of both logs past retention; in small batches. */
export class Retention {
  readonly #context: RetentionContext;
  readonly #expiring: readonly TablePlan[];
  readonly #timer: NodeJS.Timeout;
  readonly #lease: TaskLease | undefined;
  /** Expired records that cannot be deleted: they must not be in the way of the others. */
  readonly #held = new Map<TablePlan, KeptRecords>();
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isStopped = false;

  constructor(context: RetentionContext) {
    this.#context = context;
    this.#expiring = context.plan.tables.filter((table) => expiryOf(table) !== undefined);
    this.#lease = context.store.shared?.leases.take('retention');
    this.#timer = setInterval(() => this.#start(), INTERVAL_MS).unref();
  }

  /** Resolves when nothing is running any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#isStopped = true;
    await this.#running;
    await this.#lease?.release();
  }

  #start(): void {
    // Of several servers one does the work.
    if (this.#isRunning || this.#lease?.isHeld === false) return;
    this.#isRunning = true;
    this.#running = this.#run().finally(() => {
      this.#isRunning = false;
    });
  }

  async #run(): Promise<void> {
    try {
      for (const table of this.#expiring) await this.#expire(table);
      while (!this.#isStopped && (await this.#context.store.trim(Date.now(), MAX_BATCH_ITEMS))) await nextTurn();
    } catch (error) {
      // A full or locked storage is reported to writers; here it only means to try again later.
      if (!(error instanceof AppError)) this.#context.onError(error);
    }
  }

  async #expire(table: TablePlan): Promise<void> {
    const { store, commits } = this.#context;
    const batch = table.referrers.length === 0 ? MAX_BATCH_ITEMS : MAX_BATCH_REFERRED;
    for (let found = batch; found === batch && !this.#isStopped; ) {
      const expiredAt = Date.now();
      const held = this.#heldOf(table);
      const all = await store.expired(table, expiredAt, batch + held.keys.size);
      const keys = all.filter((key) => !held.keys.has(key)).slice(0, batch);
      found = keys.length;
      const removals = keys.map((id) => commits.submit([{ type: 'delete', table, id, expiredAt, by: EXPIRATION }]));
      // A record that was refreshed or removed meanwhile is refused, which is correct.
      const settled = await Promise.allSettled(removals);
      const isHeld = table.referrers.length > 0 && this.#hold(table, keys, settled);
      // Nothing can be removed now, for instance while the storage is full: the next round tries again.
      if (!isHeld && settled.every(({ status }) => status === 'rejected')) return;
    }
  }

  #heldOf(table: TablePlan): KeptRecords {
    const known = this.#held.get(table);
    const now = performance.now();
    if (known !== undefined && now - known.since < HELD_RETRY_MS) return known;
    const held = { keys: new Set<RecordKey>(), since: now };
    this.#held.set(table, held);
    return held;
  }

  /** Notes the records whose deletion was refused because of those that refer to them. True when there are some, and room for more. */
  #hold(table: TablePlan, keys: readonly RecordKey[], settled: readonly PromiseSettledResult<unknown>[]): boolean {
    const { keys: held } = this.#heldOf(table);
    const { size } = held;
    for (const [index, result] of settled.entries()) {
      const isRefused = result.status === 'rejected' && (result.reason as AppError).code === 'CONFLICT';
      if (isRefused) held.add(keys[index] as RecordKey);
    }
    return held.size > size && held.size < MAX_HELD;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
