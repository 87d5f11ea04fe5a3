import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';

/**
 * Milliseconds. A flush that is over sooner is waited for: the way to another thread and back costs as much, and writes
 * that come meanwhile make another, smaller commit.
 */
const SHORT = 0.4;
/** Every so many flushes one is waited for, so that it is known how long they take. */
const SAMPLE = 64;
/** A flush that took longer than usual counts for one in so many: disks are slow once in a while. */
const PATIENCE = 8;

/**
 * Flushes SQLite's write-ahead log to the disk, beside the event loop where that takes its time. The file stays the same
 * one as long as the database is open: SQLite begins it anew in place.
 */
export class WalFlush {
  readonly #file: string;
  readonly #short: number;
  #descriptor: number | undefined;
  /** Milliseconds that a flush takes, rather those of quick ones. */
  #duration = Number.POSITIVE_INFINITY;
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
      this.#took(performance.now() - start);
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

  #took(duration: number): void {
    const usual = this.#duration;
    this.#duration = duration < usual ? duration : usual + (duration - usual) / PATIENCE;
  }

  /** Windows flushes only what is open for writing. */
  #open(): number {
    this.#descriptor ??= openSync(this.#file, 'r+');
    return this.#descriptor;
  }
}
