/** Milliseconds between looks. */
const INTERVAL = 500;

/**
 * Notices when the process cannot keep up with what it is asked: its timer comes late, not once, which a large query or
 * a busy machine may cause, but twice running.
 */
export class LoopWatch {
  readonly #limit: number;
  readonly #interval: number;
  readonly #timer: NodeJS.Timeout;
  #expectedAt: number;
  #late = 0;

  /** `limit`: how late the timer may be, in milliseconds. */
  constructor(limit: number, interval = INTERVAL) {
    this.#limit = limit;
    this.#interval = interval;
    this.#expectedAt = performance.now() + interval;
    this.#timer = setInterval(() => this.#look(), interval).unref();
  }

  get isBehind(): boolean {
    return this.#late > 1;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    this.#late = now - this.#expectedAt > this.#limit ? this.#late + 1 : 0;
    this.#expectedAt = now + this.#interval;
  }
}
