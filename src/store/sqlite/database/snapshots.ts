import Database, { type Statement } from 'better-sqlite3';
import { CHECKPOINT_PAGES, registerFunctions } from './open.ts';

/** Connection that reads the database as it was at a moment, while another one writes. */
export class SnapshotConnection {
  readonly db: Database.Database;
  readonly #begin: Statement;
  /** A transaction reads the database as it is at its first read. */
  readonly #read: Statement;
  readonly #end: Statement;
  /** Does no checkpoint, but tells the size of the write-ahead log; 2 µs. */
  readonly #look: Statement;

  /** Throws what the driver throws when the file cannot be opened. */
  constructor(file: string) {
    this.db = new Database(file, { readonly: true, timeout: 0 });
    registerFunctions(this.db);
    this.#begin = this.db.prepare('BEGIN');
    this.#read = this.db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1');
    this.#end = this.db.prepare('COMMIT');
    this.#look = this.db.prepare('PRAGMA wal_checkpoint(NOOP)');
  }

  /**
   * Keeps what is committed by now readable until `end`. False, and nothing is kept, where there is no write-ahead log, in
   * which case the snapshot would keep the writer out, and while a checkpoint is due: that needs a moment without readers,
   * or the log would grow as long as there are any.
   */
  begin(): boolean {
    const { log } = this.#look.get() as { readonly log: number };
    if (log < 0 || log >= CHECKPOINT_PAGES) return false;
    this.#begin.run();
    this.#read.get();
    return true;
  }

  end(): void {
    if (this.db.inTransaction) this.#end.run();
  }
}

/** Idle snapshot connections of a database. */
export class SnapshotPool {
  readonly #file: string;
  readonly #idle: SnapshotConnection[] = [];
  #isClosed = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** Returns a connection without a snapshot; `giveBack` takes it again. Throws what the driver throws. */
  take(): SnapshotConnection {
    return this.#idle.pop() ?? new SnapshotConnection(this.#file);
  }

  /** Returns a connection whose snapshot is what is committed by now; undefined where none can begin. */
  begin(): SnapshotConnection | undefined {
    let connection: SnapshotConnection | undefined;
    try {
      connection = this.take();
      if (connection.begin()) return connection;
    } catch {
      // The caller reads on its own connection, which reports what is wrong with the file.
    }
    if (connection !== undefined) this.giveBack(connection);
    return undefined;
  }

  giveBack(connection: SnapshotConnection): void {
    connection.end();
    if (this.#isClosed) connection.db.close();
    else this.#idle.push(connection);
  }

  /** Closes the idle connections now and the others when they come back. */
  close(): void {
    this.#isClosed = true;
    for (const { db } of this.#idle.splice(0)) db.close();
  }
}
