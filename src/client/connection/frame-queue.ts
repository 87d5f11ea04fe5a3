/** Queue of received frames for a callback or a loop that is slower than the connection. */
export class FrameQueue<F> {
  #frames: F[] = [];
  #head = 0;
  #waiters: ((frame: F | undefined) => void)[] = [];
  #isEnded = false;

  get size(): number {
    return this.#frames.length - this.#head;
  }

  add(frame: F): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#frames.push(frame);
    else waiter(frame);
  }

  /** Removes the first frame. Undefined when the queue is empty. */
  shift(): F | undefined {
    if (this.size === 0) return undefined;
    const frame = this.#frames[this.#head] as F;
    this.#head++;
    if (this.#head === this.#frames.length || this.#head > 1000) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
    return frame;
  }

  /** Waits for the next frame. Undefined when the queue has ended. */
  next(): Promise<F | undefined> {
    const frame = this.shift();
    if (frame !== undefined || this.#isEnded) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Ends the queue. Frames in it can still be read. */
  end(): void {
    this.#isEnded = true;
    for (const waiter of this.#waiters) waiter(undefined);
    this.#waiters = [];
  }
}
