import { afterCommit } from '../../runtime/event-loop.ts';

/** Milliseconds of one turn of the event loop that may go to reading the log and snapshots. */
const SLICE = 1.5;

/**
 * Shares the event loop among subscriptions that read the store: each asks for its turn before a page. While the turn
 * of the loop has time left it goes on at once; otherwise it waits in line.
 */
export class ReadScheduler {
  #deadline = 0;
  readonly #line: (() => void)[] = [];
  #scheduled = false;
  readonly #advance = (): void => {
    this.#scheduled = false;
    this.#deadline = performance.now() + SLICE;
    this.#line.shift()?.();
    if (this.#line.length > 0) this.#schedule();
  };

  /** A promise to wait for, or undefined to go on at once. */
  acquire(): Promise<void> | undefined {
    if (this.#line.length === 0) {
      if (performance.now() < this.#deadline) return undefined;
      if (!this.#scheduled) {
        // The first one of this turn of the loop: those that come until the loop comes round share the slice.
        this.#deadline = performance.now() + SLICE;
        this.#schedule();
        return undefined;
      }
    }
    return new Promise((resolve) => {
      this.#line.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    afterCommit(this.#advance);
  }
}
