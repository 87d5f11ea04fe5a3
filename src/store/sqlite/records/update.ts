import type { Database, Statement } from 'better-sqlite3';
import type { TablePlan } from '../../../schema/plan.ts';
import { quote, recordsName } from '../sql/table-names.ts';

/** Statements that are kept; records are mostly changed in few ways. */
const KEPT = 50;
/** Of a small integer. */
const BITS = 30;

/**
 * The statements that change records of a table, by the fields that change: SQLite writes an index anew whenever one of its
 * columns is set, be it to what it was.
 */
export class UpdateStatements {
  readonly #db: Database;
  readonly #plan: TablePlan;
  readonly #expires: boolean;
  readonly #statements = new Map<string | number, Statement>();

  constructor(db: Database, plan: TablePlan, expires: boolean) {
    this.#db = db;
    this.#plan = plan;
    this.#expires = expires;
  }

  /** Parameters: the cells at these places, the seq, with `expires` the time of expiry, and the key. */
  of(places: readonly number[]): Statement {
    const key = this.#plan.fields.length <= BITS ? bitsOf(places) : places.join();
    let statement = this.#statements.get(key);
    if (statement === undefined) {
      statement = this.#prepare(places);
      if (this.#statements.size >= KEPT)
        this.#statements.delete(this.#statements.keys().next().value as string | number);
      this.#statements.set(key, statement);
    }
    return statement;
  }

  #prepare(places: readonly number[]): Statement {
    const { fields, primaryKey } = this.#plan;
    const names = places.map((place) => quote((fields[place] as (typeof fields)[number]).name));
    const set = [...names, '_seq', ...(this.#expires ? ['_expires'] : [])].map((name) => `${name} = ?`);
    return this.#db.prepare(
      `UPDATE ${recordsName(this.#plan)} SET ${set.join(', ')} WHERE ${quote(primaryKey.name)} = ?`,
    );
  }
}

function bitsOf(places: readonly number[]): number {
  let bits = 0;
  for (const place of places) bits |= 1 << place;
  return bits;
}
