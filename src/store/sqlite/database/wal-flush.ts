import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';

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

/**
 * Flushes SQLite's write-ahead log to the disk, on another thread where that takes long. The file stays the same one
 * while the database is open: SQLite overwrites it from the start after a checkpoint.
 */
export class WalFlush {
  readonly #file: string;
  readonly #timer: FlushTimer;
  #descriptor: number | undefined;

  /** `file`: the database; `maxBlockingMs`: usual duration up to which a flush blocks the event loop. */
  constructor(file: string, maxBlockingMs?: number) {
    this.#file = `${file}-wal`;
    this.#timer = new FlushTimer(maxBlockingMs);
  }

  /** Flushes everything that is committed; undefined when that is done already. Throws, or rejects with, the error of the disk. */
  run(): Promise<void> | undefined {
    if (this.#timer.shouldBlock()) {
      const start = performance.now();
      fdatasyncSync(this.#open());
      this.#timer.measured(performance.now() - start);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      fdatasync(this.#open(), (error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** Opens for writing, since Windows flushes only such files. */
  #open(): number {
    this.#descriptor ??= openSync(this.#file, 'r+');
    return this.#descriptor;
  }
}
