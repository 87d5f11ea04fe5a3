/**
 * Milliseconds. A flush that takes less is run on the event loop: the way to another thread and back takes about as long,
 * and writes that arrive meanwhile would make another, smaller commit.
 */
const MAX_BLOCKING_MS = 0.4;
/** Flushes between two that are run on the event loop even when they take long, to measure them. */
const SAMPLE_INTERVAL = 64;
/** Divisor of the weight of a flush that took longer than usual: disks are slow once in a while. */
const SLOW_FLUSH_DIVISOR = 8;

/** Decides from the durations of earlier flushes whether the next one may block the event loop. */
export class FlushTimer {
  readonly #maxBlockingMs: number;
  /** Milliseconds of a usual flush; quick ones count in full, slow ones in part. */
  #usualMs = Number.POSITIVE_INFINITY;
  #flushes = 0;

  constructor(maxBlockingMs = MAX_BLOCKING_MS) {
    this.#maxBlockingMs = maxBlockingMs;
  }

  /** True when the next flush should be run on the event loop. Call it once before each flush. */
  shouldBlock(): boolean {
    return this.#flushes++ % SAMPLE_INTERVAL === 0 || this.#usualMs < this.#maxBlockingMs;
  }

  /** Adds the duration of a flush that was run on the event loop. */
  measured(milliseconds: number): void {
    const usual = this.#usualMs;
    this.#usualMs = milliseconds < usual ? milliseconds : usual + (milliseconds - usual) / SLOW_FLUSH_DIVISOR;
  }
}
