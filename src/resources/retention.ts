import { AppError } from '../errors.ts';
import type { Plan, TablePlan } from '../schema/plan.ts';
import { expiryOf } from '../store/expiry.ts';
import type { Store } from '../store/store.ts';
import type { WriteQueue } from '../store/write-queue.ts';

const INTERVAL_MS = 1000;
/** Records removed, or log entries trimmed, before other work runs. */
const MAX_BATCH_ITEMS = 500;
const EXPIRATION = { type: 'expiration' } as const;

export interface RetentionContext {
  readonly plan: Plan;
  readonly store: Store;
  readonly commits: WriteQueue;
  onError(error: unknown): void;
}

/** Removes expired records, as ordinary deletes, and entries of both logs past retention; in small batches. */
export class Retention {
  readonly #context: RetentionContext;
  readonly #expiring: readonly TablePlan[];
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isStopped = false;

  constructor(context: RetentionContext) {
    this.#context = context;
    this.#expiring = context.plan.tables.filter((table) => expiryOf(table) !== undefined);
    this.#timer = setInterval(() => this.#start(), INTERVAL_MS).unref();
  }

  /** Resolves when nothing is running any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#isStopped = true;
    await this.#running;
  }

  #start(): void {
    if (this.#isRunning) return;
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
    for (let found = MAX_BATCH_ITEMS; found === MAX_BATCH_ITEMS && !this.#isStopped; ) {
      const expiredAt = Date.now();
      const keys = await store.expired(table, expiredAt, MAX_BATCH_ITEMS);
      found = keys.length;
      const removals = keys.map((id) => commits.submit([{ type: 'delete', table, id, expiredAt, by: EXPIRATION }]));
      // A record that was refreshed or removed meanwhile is refused, which is correct.
      const settled = await Promise.allSettled(removals);
      // Nothing can be removed now, for instance while the storage is full: the next round tries again.
      if (settled.every(({ status }) => status === 'rejected')) return;
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
