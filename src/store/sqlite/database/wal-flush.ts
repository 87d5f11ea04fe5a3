import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import { FlushTimer } from './flush-timer.ts';

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
