import type { Database, Statement } from 'better-sqlite3';

const MAX_STATEMENTS = 500;

/** LRU cache of prepared statements by their SQL, whose number is limited since it depends on clients' queries. */
export class StatementCache {
  readonly #db: Database;
  readonly #shape: (statement: Statement) => Statement;
  readonly #statements = new Map<string, Statement>();

  /** `shape` sets the result form of each statement; by default the first column of each row. */
  constructor(db: Database, shape = (statement: Statement): Statement => statement.pluck()) {
    this.#db = db;
    this.#shape = shape;
  }

  get(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#shape(this.#db.prepare(sql));
      if (this.#statements.size >= MAX_STATEMENTS)
        this.#statements.delete(this.#statements.keys().next().value as string);
    } else {
      this.#statements.delete(sql);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}
