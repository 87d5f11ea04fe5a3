import { afterCommit } from '../../runtime/event-loop.ts';

/** Milliseconds of one turn of the event loop in which the log and snapshots may be read. */
const MAX_SLICE_MS = 1.5;

/**
 * Shares the event loop among subscriptions that read the store: each calls `acquire` before a page. While the slice has
 * time left the caller goes on at once; otherwise it waits in a queue.
 */
export class ReadScheduler {
  #deadline = 0;
  readonly #queue: (() => void)[] = [];
  #scheduled = false;
  readonly #advance = (): void => {
    this.#scheduled = false;
    this.#deadline = performance.now() + MAX_SLICE_MS;
    this.#queue.shift()?.();
    if (this.#queue.length > 0) this.#schedule();
  };

  /** Returns a promise to wait for, or undefined to read at once. */
  acquire(): Promise<void> | undefined {
    if (this.#queue.length === 0) {
      if (performance.now() < this.#deadline) return undefined;
      if (!this.#scheduled) {
        // The first read of this turn of the loop: those that follow until the next turn share the slice.
        this.#deadline = performance.now() + MAX_SLICE_MS;
        this.#schedule();
        return undefined;
      }
    }
    return new Promise((resolve) => {
      this.#queue.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    afterCommit(this.#advance);
  }
}
