/** Frames that came and were not taken yet, for a callback that takes its time or for a loop. */
export class FrameQueue<F> {
  #frames: F[] = [];
  #head = 0;
  #wanted: ((frame: F | undefined) => void)[] = [];
  #isEnded = false;

  get size(): number {
    return this.#frames.length - this.#head;
  }

  add(frame: F): void {
    const wanted = this.#wanted.shift();
    if (wanted === undefined) this.#frames.push(frame);
    else wanted(frame);
  }

  /** The first one, or undefined when there is none. */
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

  /** The next one, or undefined at the end. */
  next(): Promise<F | undefined> {
    const frame = this.shift();
    if (frame !== undefined || this.#isEnded) return Promise.resolve(frame);
    return new Promise((resolve) => this.#wanted.push(resolve));
  }

  /** What is there can still be taken; nothing more comes. */
  end(): void {
    this.#isEnded = true;
    for (const wanted of this.#wanted) wanted(undefined);
    this.#wanted = [];
  }
}
