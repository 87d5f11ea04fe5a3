/**
 * Subscriptions that write to one sink take turns here: one at a time reads a page and writes it, and then the next in
 * line. So together they have one buffer, and none of them waits for another one's whole snapshot.
 */
export class WriteLock {
  #taken = false;
  readonly #line: (() => void)[] = [];

  /** A promise to wait for, or undefined when the lane was free and is now the caller's. */
  enter(): Promise<void> | undefined {
    if (this.#taken) return new Promise((resolve) => this.#line.push(resolve));
    this.#taken = true;
    return undefined;
  }

  /** The one that has the lane gives it to the next in line. */
  leave(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#taken = false;
    else next();
  }
}
