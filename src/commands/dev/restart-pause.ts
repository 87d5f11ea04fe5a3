import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds that a server has to run, for its end not to be one of a series. */
const STABLE_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 8000;

/** Pause before a server that has ended by itself starts again: none at first, longer while it keeps ending soon. */
export class RestartPause {
  readonly #now: () => number;
  #startedAt = 0;
  #pause = 0;

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** Notes that a server has started. */
  begin(): void {
    this.#startedAt = this.#now();
  }

  /** Milliseconds for the server that has ended now. */
  next(): number {
    const isStable = this.#now() - this.#startedAt >= STABLE_MS;
    const pause = isStable ? 0 : this.#pause;
    this.#pause = Math.min(Math.max(pause * 2, FIRST_PAUSE_MS), MAX_PAUSE_MS);
    return pause;
  }

  async wait(): Promise<void> {
    await sleep(this.next(), undefined, { ref: false });
  }
}
