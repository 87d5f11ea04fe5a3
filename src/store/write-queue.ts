import { AppError } from '../errors.ts';
import { beforeDelivery, isDelivering } from '../runtime/event-loop.ts';
import type { CommitResult, IdempotencyKey, IdempotentGroup, Store, WriteGroup, WriteOutcome } from './store.ts';

/** Writes in one transaction: limits how long a commit blocks the event loop. */
const MAX_BATCH_WRITES = 256;
/** Groups that may wait; further ones are refused at once, since the storage does not keep up. */
const MAX_WAITING_GROUPS = 10_000;
/** Milliseconds before a commit is tried again on a database that another process holds. */
const RETRY_AFTER_MS = 20;
/**
 * Turns of the event loop by which a commit is delayed while each brings more writes. With 64 connections a durable PUT
 * takes 35 µs of processor time, and 47 µs without it (row "PUT, PATCH, POST, durable" of the benchmark).
 */
const MAX_EXTRA_TICKS = 3;

interface WaitingGroup {
  readonly group: WriteGroup | IdempotentGroup;
  /** Milliseconds of `performance.now()`. */
  readonly since: number;
  resolve(outcomes: readonly WriteOutcome[]): void;
  reject(error: unknown): void;
}

export interface WriteQueueOptions {
  readonly store: Store;
  /** Milliseconds for which a write waits for a database that another process holds. */
  readonly busyTimeout: number;
  /** Called after a commit with changes, before any writer's continuation runs. */
  onCommitted(result: CommitResult): void;
}

/**
 * Collects the writes that arrive in one turn of the event loop, and in the next few as long as each brings more, and
 * commits them in one transaction, so that they share its fsync. Each group has its own outcome and is resolved after the
 * commit.
 */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  #waiting: WaitingGroup[] = [];
  #scheduled = false;
  #idle: (() => void)[] = [];
  /** Number of groups that waited at the last tick, and number of ticks since the first of them. */
  #lastLength = 0;
  #ticks = 0;
  readonly #flush = (): void => void this.#commitWaiting();
  readonly #tick = (): void => {
    if (this.#growsQuickly()) {
      beforeDelivery(this.#tick);
      return;
    }
    this.#lastLength = 0;
    this.#ticks = 0;
    this.#flush();
  };

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  /** Number of groups that wait for a commit. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when the group is committed; rejects with AppError when it was refused: then nothing of it was written. With
   * `once` a group that was written before is not written again: its outcomes are returned, `replayed`.
   */
  submit(writes: WriteGroup, once?: IdempotencyKey): Promise<readonly WriteOutcome[]> {
    if (this.#waiting.length >= MAX_WAITING_GROUPS) {
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
    beforeDelivery(this.#tick);
  }

  /** True to wait for one more tick: clients that were answered together write again one after the other, and can share a commit. */
  #growsQuickly(): boolean {
    const { length } = this.#waiting;
    if (length < 2 || length === this.#lastLength || length >= MAX_BATCH_WRITES || isDelivering()) return false;
    this.#lastLength = length;
    return this.#ticks++ < MAX_EXTRA_TICKS;
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
    settle(batch, result);
    // Outside the try: a committed write must never be reported to its client as failed.
    if (result.changes.length > 0) this.#options.onCommitted(result);
    this.#next();
  }

  #next(): void {
    this.#scheduled = false;
    if (this.#waiting.length > 0) this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  #takeBatch(): WaitingGroup[] {
    let writes = 0;
    let size = 0;
    while (size < this.#waiting.length && (size === 0 || writes < MAX_BATCH_WRITES)) {
      writes += countWrites(this.#waiting[size]?.group);
      size++;
    }
    if (size === this.#waiting.length) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, size);
  }

  /** Schedules another try on a database that another process holds, without blocking the event loop. */
  #retryLater(batch: readonly WaitingGroup[], error: unknown): boolean {
    if (!(error instanceof AppError) || error.code !== 'STORAGE_BUSY') return false;
    const deadline = performance.now() - this.#options.busyTimeout;
    const patient = batch.filter(({ since }) => since > deadline);
    for (const { since, reject } of batch) if (since <= deadline) reject(error);
    if (patient.length === 0) return false;
    this.#waiting = [...patient, ...this.#waiting];
    setTimeout(this.#flush, RETRY_AFTER_MS);
    return true;
  }
}

function countWrites(group: WriteGroup | IdempotentGroup | undefined): number {
  if (group === undefined) return 0;
  return 'once' in group ? group.writes.length : group.length;
}

function settle(batch: readonly WaitingGroup[], { results }: CommitResult): void {
  for (let i = 0; i < batch.length; i++) {
    const { resolve, reject } = batch[i] as WaitingGroup;
    const result = results[i];
    if (result === undefined || result instanceof AppError) reject(result);
    else resolve(result);
  }
}
