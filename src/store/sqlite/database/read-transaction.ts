import type { Database, Statement } from 'better-sqlite3';

/**
 * Transaction that the reads of one turn of the event loop share: by itself each would lock and unlock the file, which
 * takes longer than finding a record. A read that is alone in its turn has no transaction.
 */
export class ReadTransaction {
  readonly #begin: Statement;
  readonly #commit: Statement;
  #reads = 0;
  #scheduled = false;
  readonly #endTurn = (): void => {
    this.#scheduled = false;
    this.end();
  };

  constructor(db: Database) {
    this.#begin = db.prepare('BEGIN');
    this.#commit = db.prepare('COMMIT');
  }

  /** Must be called before each read that is not part of a write. */
  read(): void {
    // Counted afterwards: a database that was closed meanwhile has no transaction to end.
    if (this.#reads === 1) this.#begin.run();
    this.#reads++;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#endTurn);
  }

  /** Must be called before every write: that needs a transaction of its own, and later reads see it. */
  end(): void {
    const isOpen = this.#reads > 1;
    this.#reads = 0;
    if (isOpen) this.#commit.run();
  }
}
