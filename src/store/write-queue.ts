import { AppError } from '../errors.ts';
import { beforeDelivery, isDelivering } from '../runtime/event-loop.ts';
import type { CommitResult, IdempotencyKey, IdempotentGroup, Store, WriteGroup, WriteOutcome } from './store.ts';

/** Writes in one transaction at most: bounds how long a commit keeps the event loop. */
const MAX_WRITES = 256;
/** Groups that may wait: beyond it a storage that has stopped answers is told to the caller at once. */
const MAX_WAITING = 10_000;
const RETRY_AFTER = 20;
/** Turns that a commit is put off for at most while each brings more writes. */
const MOST_LOOKS = 3;

interface Waiting {
  readonly group: WriteGroup | IdempotentGroup;
  readonly since: number;
  resolve(outcomes: readonly WriteOutcome[]): void;
  reject(error: unknown): void;
}

export interface WriteQueueOptions {
  readonly store: Store;
  /** Milliseconds that a write waits for a database that another process holds. */
  readonly busyTimeout: number;
  /** Called after a commit with changes, before any writer's continuation runs. */
  onCommitted(result: CommitResult): void;
}

/**
 * Collects the writes that arrive in one turn of the event loop, and in the next few as long as each brings more, and
 * commits them in one transaction, so that they share its fsync. Each group has its own outcome and is answered after the
 * commit.
 */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #idle: (() => void)[] = [];
  /** Writes that waited when it was last looked, and how often it was. */
  #seen = 0;
  #looks = 0;
  readonly #flush = (): void => void this.#commitWaiting();
  readonly #look = (): void => {
    if (this.#growsQuickly()) {
      beforeDelivery(this.#look);
      return;
    }
    this.#seen = 0;
    this.#looks = 0;
    this.#flush();
  };

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when the group is committed; rejects with AppError when it was refused. Nothing is half done. With `once`
   * a group that was written before is not written again: its outcomes come back, `replayed`.
   */
  submit(writes: WriteGroup, once?: IdempotencyKey): Promise<readonly WriteOutcome[]> {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new AppError('OVERLOADED', 'Too many writes are waiting for the storage.'));
    }
    const group = once === undefined ? writes : { once, writes };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ group, since: performance.now(), resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves when no write is waiting any more. */
  async drain(): Promise<void> {
    if (this.#waiting.length === 0 && !this.#scheduled) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  // The check phase comes after all sockets of this turn were read: everything they brought shares the commit.
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    beforeDelivery(this.#look);
  }

  /** Clients that are answered together write again one after the other: those that are just coming share the commit. */
  #growsQuickly(): boolean {
    const { length } = this.#waiting;
    if (length < 2 || length === this.#seen || length >= MAX_WRITES || isDelivering()) return false;
    this.#seen = length;
    return this.#looks++ < MOST_LOOKS;
  }

  async #commitWaiting(): Promise<void> {
    const batch = this.#takeBatch();
    let result: CommitResult;
    try {
      result = await this.#options.store.commit(batch.map(({ group }) => group));
    } catch (error) {
      if (this.#retryLater(batch, error)) return;
      for (const { reject } of batch) reject(error);
      this.#next();
      return;
    }
    answer(batch, result);
    // Outside the try: what is committed must never be told to its writer as failed.
    if (result.changes.length > 0) this.#options.onCommitted(result);
    this.#next();
  }

  #next(): void {
    this.#scheduled = false;
    if (this.#waiting.length > 0) this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  #takeBatch(): Waiting[] {
    let writes = 0;
    let size = 0;
    while (size < this.#waiting.length && (size === 0 || writes < MAX_WRITES)) {
      writes += lengthOf(this.#waiting[size]?.group);
      size++;
    }
    if (size === this.#waiting.length) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, size);
  }

  /** A database held by another process is tried again without blocking the event loop. */
  #retryLater(batch: readonly Waiting[], error: unknown): boolean {
    if (!(error instanceof AppError) || error.code !== 'STORAGE_BUSY') return false;
    const deadline = performance.now() - this.#options.busyTimeout;
    const patient = batch.filter(({ since }) => since > deadline);
    for (const { since, reject } of batch) if (since <= deadline) reject(error);
    if (patient.length === 0) return false;
    this.#waiting = [...patient, ...this.#waiting];
    setTimeout(this.#flush, RETRY_AFTER);
    return true;
  }
}

function lengthOf(group: WriteGroup | IdempotentGroup | undefined): number {
  if (group === undefined) return 0;
  return 'once' in group ? group.writes.length : group.length;
}

function answer(batch: readonly Waiting[], { results }: CommitResult): void {
  for (let i = 0; i < batch.length; i++) {
    const { resolve, reject } = batch[i] as Waiting;
    const result = results[i];
    if (result === undefined || result instanceof AppError) reject(result);
    else resolve(result);
  }
}
