import type { Database, Statement } from 'better-sqlite3';

const CAPACITY = 500;

/** Prepared statements by their SQL, the least recently used thrown away: texts come from clients' queries. */
export class StatementCache {
  readonly #db: Database;
  readonly #shape: (statement: Statement) => Statement;
  readonly #statements = new Map<string, Statement>();

  /** `shape`: what each statement gives; by default the first column of each row. */
  constructor(db: Database, shape = (statement: Statement): Statement => statement.pluck()) {
    this.#db = db;
    this.#shape = shape;
  }

  get(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#shape(this.#db.prepare(sql));
      if (this.#statements.size >= CAPACITY) this.#statements.delete(this.#statements.keys().next().value as string);
    } else {
      this.#statements.delete(sql);
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}
