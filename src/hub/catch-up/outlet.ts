import type { Subscription } from '../subscription.ts';
import type { CatchUpContext } from './context.ts';
import type { EncodedFrames } from './log-frames.ts';

/** Way of one subscription that catches up to its sink: waits for room, and takes turns where the sink is shared. */
export class Outlet {
  readonly #context: CatchUpContext;
  readonly #subscription: Subscription;
  /** Holds the write lock of a shared sink. */
  #hasLock = false;

  constructor(context: CatchUpContext, subscription: Subscription) {
    this.#context = context;
    this.#subscription = subscription;
  }

  /** False when the subscription has ended, or the hub was closed. */
  get isActive(): boolean {
    return this.#subscription.state === 'behind' && this.#context.isOpen();
  }

  /** Number of records or changes that are read at once. */
  get pageSize(): number {
    return Math.min(this.#context.page, this.#subscription.group.pageSize);
  }

  /** Waits for the write lock, where the sink is shared, and until the sink has room; undefined to go on at once. */
  room(): Promise<void> | undefined {
    const { writeLock: lock } = this.#subscription.sink;
    if (lock === undefined) return this.#isFull ? this.#drain() : undefined;
    this.close();
    const locked = lock.enter();
    if (locked === undefined) this.#hasLock = true;
    return locked === undefined && !this.#isFull ? undefined : this.#lockAndRoom(locked);
  }

  /** Writes frames. Pages get smaller where records are large, so that one page does not fill the memory. */
  write({ frames, bytes }: EncodedFrames): void {
    if (frames.length === 0) return;
    const fitting = Math.floor((this.#context.clientBuffer * frames.length) / Math.max(1, bytes));
    this.#subscription.group.pageSize = Math.max(1, fitting);
    if (this.isActive) this.#subscription.sink.write(Buffer.concat(frames));
  }

  /** Releases the write lock. */
  close(): void {
    if (!this.#hasLock) return;
    this.#hasLock = false;
    this.#subscription.sink.writeLock?.leave();
  }

  async #lockAndRoom(locked: Promise<void> | undefined): Promise<void> {
    await locked;
    this.#hasLock = true;
    await this.#drain();
  }

  get #isFull(): boolean {
    return this.#subscription.sink.pending > this.#context.clientBuffer;
  }

  /** Waits until the sink has room or the subscription has ended. */
  async #drain(): Promise<void> {
    while (this.isActive && this.#isFull) {
      await this.#context.waitForDrain(this.#subscription);
    }
  }
}
