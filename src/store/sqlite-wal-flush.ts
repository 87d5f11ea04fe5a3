import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';

/** Milliseconds. A flush that is over sooner is waited for: the way to another thread and back takes longer. */
const SHORT = 0.1;
/** Every so many flushes one is waited for, so that it is known how long they take. */
const SAMPLE = 64;

/**
 * Flushes SQLite's write-ahead log to the disk, beside the event loop where that takes its time. The file stays the same
 * one as long as the database is open: SQLite begins it anew in place.
 */
export class WalFlush {
  readonly #file: string;
  readonly #short: number;
  #descriptor: number | undefined;
  #duration = 0;
  #count = 0;

  /** `file`: the database; `short`: milliseconds up to which a flush is waited for. */
  constructor(file: string, short = SHORT) {
    this.#file = `${file}-wal`;
    this.#short = short;
  }

  /** Flushes everything that is committed; undefined when that is done already. Throws, or rejects, what the disk says. */
  run(): Promise<void> | undefined {
    if (this.#count++ % SAMPLE === 0 || this.#duration < this.#short) {
      const start = performance.now();
      this.runNow();
      this.#duration = performance.now() - start;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      fdatasync(this.#open(), (error) => (error === null ? resolve() : reject(error)));
    });
  }

  runNow(): void {
    fdatasyncSync(this.#open());
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  /** Windows flushes only what is open for writing. */
  #open(): number {
    this.#descriptor ??= openSync(this.#file, 'r+');
    return this.#descriptor;
  }
}
