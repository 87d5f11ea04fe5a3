import type { Database, Statement } from 'better-sqlite3';

const CAPACITY = 500;

/** Prepared statements by their SQL, the least recently used thrown away: texts come from clients' queries. */
export class StatementCache {
  readonly #db: Database;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** A statement that gives the first column of each row. */
  get(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql).pluck();
      if (this.#statements.size >= CAPACITY) this.#statements.delete(this.#statements.keys().next().value as string);
    } else {
      this.#statements.delete(sql);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}
