import type { Database, Statement } from 'better-sqlite3';
import type { TablePlan } from '../../../schema/plan.ts';
import { quote, recordsName } from '../sql/table-names.ts';

/** Prepared statements per table; most tables are changed in few ways. */
const MAX_STATEMENTS = 50;

/**
 * Statements that update records of a table, by the fields that change: SQLite rewrites an index whenever one of its
 * columns is set, even to the same value.
 */
export class UpdateStatements {
  readonly #db: Database;
  readonly #plan: TablePlan;
  readonly #expires: boolean;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Database, plan: TablePlan, expires: boolean) {
    this.#db = db;
    this.#plan = plan;
    this.#expires = expires;
  }

  /** Returns a statement with the parameters: the cells of these columns, the seq, with `expires` the time of expiry, and the key. */
  of(columns: readonly number[]): Statement {
    const key = columns.join();
    let statement = this.#statements.get(key);
    if (statement === undefined) {
      statement = this.#prepare(columns);
      if (this.#statements.size >= MAX_STATEMENTS) {
        this.#statements.delete(this.#statements.keys().next().value as string);
      }
      this.#statements.set(key, statement);
    }
    return statement;
  }

  #prepare(columns: readonly number[]): Statement {
    const { fields, primaryKey } = this.#plan;
    const names = columns.map((column) => quote((fields[column] as (typeof fields)[number]).name));
    const set = [...names, '_seq', ...(this.#expires ? ['_expires'] : [])].map((name) => `${name} = ?`);
    return this.#db.prepare(
      `UPDATE ${recordsName(this.#plan)} SET ${set.join(', ')} WHERE ${quote(primaryKey.name)} = ?`,
    );
  }
}
