import { statSync } from 'node:fs';
import { AppError } from '../errors.ts';
import { probeRoom } from './probe-room.ts';

/** Milliseconds between looks at the files, and between probes while writes fail. */
const INTERVAL = 1000;

export interface StorageHealthOptions {
  /** The data directory. */
  readonly dir: string;
  /** Called once when writes begin to fail, and once when they do not any more. */
  onFailing?(failure: AppError): void;
  onWritable?(): void;
}

/** A file that must stay where it is while it is open. */
interface WatchedFile {
  readonly path: string;
  /** Device and inode; undefined until the file is there. */
  identity: string | undefined;
}

/**
 * Whether the data directory of one application can be written. Writers report failures; the end of a failure is found by
 * a probe, since with a nearly full disk small writes succeed between others that fail. A directory that was moved or
 * removed is found by looking at its files: SQLite would go on writing to them, where no later start finds them.
 */
export class StorageHealth {
  readonly #options: StorageHealthOptions;
  readonly #files = new Set<WatchedFile>();
  readonly #timer: NodeJS.Timeout;
  #probe: () => void = () => {};
  #failure: AppError | undefined;
  #moved: AppError | undefined;
  #isFinal = false;
  #isProbing = false;
  #failed = 0;

  constructor(options: StorageHealthOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), INTERVAL).unref();
  }

  /** Why writes fail; undefined while they do not. */
  get failure(): AppError | undefined {
    return this.#failure;
  }

  /** Transactions that have failed since the start. */
  get failed(): number {
    return this.#failed;
  }

  /** A write beside the one of a file that has to succeed, too, before the storage counts as writable again. */
  probeWith(probe: () => void): void {
    this.#probe = probe;
  }

  /** Looks after a database that is open, with its write-ahead log. Call the result before it is closed. */
  watch(database: string): () => void {
    const files = [database, `${database}-wal`].map((path) => ({ path, identity: identityOf(path) }));
    for (const file of files) this.#files.add(file);
    return () => {
      for (const file of files) this.#files.delete(file);
    };
  }

  /** To be called before a write: throws while the files are not in their place. */
  check(): void {
    if (this.#moved === undefined) return;
    this.#failed++;
    throw this.#moved;
  }

  /** To be called with the error of each transaction that failed. `isFinal`: only another start helps. */
  report(error: unknown, isFinal = false): void {
    if (!(error instanceof AppError) || error.code !== 'STORAGE_FULL') return;
    this.#failed++;
    this.#isFinal ||= isFinal;
    this.#begin(error);
  }

  /** Looks at the files, and whether a failure is over. Resolves when that is known. */
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
      this.#probe();
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
