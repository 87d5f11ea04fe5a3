import { statSync } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../errors.ts';
import type { Awaitable } from './store.ts';

/** Milliseconds between checks of the files, and between probes while writes fail. */
const INTERVAL_MS = 1000;

export interface StorageHealthOptions {
  /** The data directory. */
  readonly dir: string;
  /** Called once when writes begin to fail. */
  onFailing?(failure: AppError): void;
  /** Called once when they succeed again. */
  onWritable?(): void;
}

/** File that must stay where it is while it is open. */
interface WatchedFile {
  readonly path: string;
  /** Device and inode; undefined until the file is there. */
  identity: string | undefined;
}

/**
 * State of an application's data directory: can it be written? Writers report failures; the end of a failure is found by
 * a probe, since with a nearly full disk small writes succeed between others that fail. A directory that was moved or
 * removed is found by checking its files: SQLite would go on writing to them, where no later start finds them.
 */
export class StorageHealth {
  readonly #options: StorageHealthOptions;
  readonly #files = new Set<WatchedFile>();
  readonly #timer: NodeJS.Timeout;
  #probe: () => Awaitable<void> = () => {};
  #failure: AppError | undefined;
  #moved: AppError | undefined;
  #isFinal = false;
  #isProbing = false;
  #failed = 0;

  constructor(options: StorageHealthOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), INTERVAL_MS).unref();
  }

  /** Reason why writes fail; undefined while they succeed. */
  get failure(): AppError | undefined {
    return this.#failure;
  }

  /** Number of transactions that have failed since the start. */
  get failed(): number {
    return this.#failed;
  }

  /** Sets a write that has to succeed, like that of a file, before the storage counts as writable again. */
  probeWith(probe: () => Awaitable<void>): void {
    this.#probe = probe;
  }

  /** Watches an open database and its write-ahead log. Call the returned function before the database is closed. */
  watch(database: string): () => void {
    const files = [database, `${database}-wal`].map((path) => ({ path, identity: identityOf(path) }));
    for (const file of files) this.#files.add(file);
    return () => {
      for (const file of files) this.#files.delete(file);
    };
  }

  /** Must be called before a write: throws STORAGE_MOVED while the files are not in their place. */
  check(): void {
    if (this.#moved === undefined) return;
    this.#failed++;
    throw this.#moved;
  }

  /** Must be called with the error of each failed transaction. `isFinal`: only a restart helps. */
  report(error: unknown, isFinal = false): void {
    if (!(error instanceof AppError) || error.code !== 'STORAGE_FULL') return;
    this.#failed++;
    this.#isFinal ||= isFinal;
    this.#begin(error);
  }

  /** Checks the files, and whether a failure is over. Resolves when that is known. */
  async look(): Promise<void> {
    if (this.#isFinal) return;
    this.#moved = this.#findMoved();
    if (this.#moved !== undefined) {
      this.#begin(this.#moved);
      return;
    }
    if (this.#failure === undefined || this.#isProbing) return;
    this.#isProbing = true;
    const isWritable = await this.#isWritable();
    this.#isProbing = false;
    if (isWritable && !this.#isFinal && this.#moved === undefined) this.#end();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#files.clear();
    this.#isFinal = true;
  }

  #begin(failure: AppError): void {
    const isNew = this.#failure === undefined;
    this.#failure = failure;
    if (isNew) this.#options.onFailing?.(failure);
  }

  #end(): void {
    this.#failure = undefined;
    this.#options.onWritable?.();
  }

  #findMoved(): AppError | undefined {
    for (const file of this.#files) {
      const identity = identityOf(file.path);
      file.identity ??= identity;
      if (identity !== file.identity) return movedError();
    }
    return undefined;
  }

  async #isWritable(): Promise<boolean> {
    try {
      await probeRoom(this.#options.dir);
      await this.#probe();
      return true;
    } catch {
      return false;
    }
  }
}

function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

function movedError(): AppError {
  return new AppError(
    'STORAGE_MOVED',
    'The data directory was moved or removed while the server runs. Writes are refused until it is back in its place or the server is started again.',
  );
}

/** Size of the probe (1 MiB): as much as a commit of the largest records may need. */
const PROBE_BYTES = 1024 ** 2;

/** Writes a file and removes it. Throws the error of the file system. */
export async function probeRoom(dir: string): Promise<void> {
  const path = join(dir, 'probe.tmp');
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(Buffer.alloc(PROBE_BYTES));
    // Some file systems report a lack of space only then.
    await file.datasync();
  } finally {
    await file.close();
    await unlink(path);
  }
}
