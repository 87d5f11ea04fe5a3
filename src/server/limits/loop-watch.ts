const CHECK_INTERVAL_MS = 500;

/**
 * Detects an overloaded event loop: its timer is late twice in a row. A single late timer can be caused by a large query
 * or a busy machine.
 */
export class LoopWatch {
  readonly #limit: number;
  readonly #interval: number;
  readonly #timer: NodeJS.Timeout;
  #expectedAt: number;
  #late = 0;

  /** `limit`: milliseconds that the timer may be late. */
  constructor(limit: number, interval = CHECK_INTERVAL_MS) {
    this.#limit = limit;
    this.#interval = interval;
    this.#expectedAt = performance.now() + interval;
    this.#timer = setInterval(() => this.#check(), interval).unref();
  }

  get isBehind(): boolean {
    return this.#late > 1;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const now = performance.now();
    this.#late = now - this.#expectedAt > this.#limit ? this.#late + 1 : 0;
    this.#expectedAt = now + this.#interval;
  }
}
