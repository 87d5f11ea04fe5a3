/**
 * FIFO mutex of the subscriptions that write to one sink: one at a time reads a page, writes it and releases the lock.
 * So together they fill one client buffer, and none of them waits for another one's whole snapshot.
 */
export class WriteLock {
  #isLocked = false;
  readonly #waiting: (() => void)[] = [];

  /** Acquires the lock. Returns a promise to wait for, or undefined when the lock was free. */
  enter(): Promise<void> | undefined {
    if (this.#isLocked) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#isLocked = true;
    return undefined;
  }

  /** Releases the lock, which goes to the next waiter. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isLocked = false;
    else next();
  }
}
