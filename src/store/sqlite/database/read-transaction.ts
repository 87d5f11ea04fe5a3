import type { Database, Statement } from 'better-sqlite3';

/**
 * Lets the reads of one turn of the event loop share a transaction: by itself each would lock and unlock the file, which
 * takes longer than to find a record. A read that is alone in its turn goes without.
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

  /** Call before each read that is not part of a write. */
  read(): void {
    this.#reads++;
    if (this.#reads === 2) this.#begin.run();
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#endTurn);
  }

  /** Call before whatever writes: it needs a transaction of its own, and what is read after it sees it. */
  end(): void {
    const isOpen = this.#reads > 1;
    this.#reads = 0;
    if (isOpen) this.#commit.run();
  }
}
