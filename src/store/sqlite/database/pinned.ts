import Database, { type Statement } from 'better-sqlite3';
import { CHECKPOINT_PAGES, registerFunctions } from './open.ts';

/** Connection that reads the database as it was at a moment, while another one writes. Opened when it is first pinned. */
export class PinnedConnection {
  readonly #file: string;
  #open: PinnedStatements | undefined;
  #isPinned = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** The connection while it is pinned. */
  get pinned(): Database.Database | undefined {
    return this.#isPinned ? this.#open?.db : undefined;
  }

  /**
   * Keeps what is committed by now readable until `release`. Not while a checkpoint is due: that needs a moment without
   * readers, or the write-ahead log would grow as long as there are any.
   */
  pin(): void {
    try {
      this.#open ??= openConnection(this.#file);
      const { logSize, begin, read } = this.#open;
      if (logSize() >= CHECKPOINT_PAGES) return;
      begin.run();
      this.#isPinned = true;
      read.get();
    } catch {
      // Whatever is wrong with the file, the commit says so; reads wait for it.
      this.release();
    }
  }

  release(): void {
    if (!this.#isPinned) return;
    this.#isPinned = false;
    if (this.#open?.db.inTransaction === true) this.#open.end.run();
  }

  close(): void {
    this.release();
    this.#open?.db.close();
  }
}

interface PinnedStatements {
  readonly db: Database.Database;
  readonly begin: Statement;
  /** A transaction reads the database as it is at its first read. */
  readonly read: Statement;
  readonly end: Statement;
  /** Returns the pages in the write-ahead log. */
  logSize(): number;
}

function openConnection(file: string): PinnedStatements {
  const db = new Database(file, { readonly: true, timeout: 0 });
  registerFunctions(db);
  // Does no checkpoint, but tells the size of the log; 2 µs.
  const look = db.prepare('PRAGMA wal_checkpoint(NOOP)');
  return {
    db,
    begin: db.prepare('BEGIN'),
    read: db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1'),
    end: db.prepare('COMMIT'),
    logSize: () => (look.get() as { readonly log: number }).log,
  };
}
