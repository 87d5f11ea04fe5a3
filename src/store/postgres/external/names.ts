import type { TablePlan } from '../../../schema/plan.ts';
import { fitName, literal, quote, type StoredName, tableKey } from '../sql/names.ts';

/** Names of what is made for the writes of other programs, in one schema. */
export class ExternalNames {
  /** Quoted name of the schema. */
  readonly schema: string;
  /** Numbers of the tables in the log, by `tableKey`. */
  readonly #ids: ReadonlyMap<string, number>;

  constructor(schema: string, ids: ReadonlyMap<string, number>) {
    this.schema = quote(schema);
    this.#ids = ids;
  }

  /** Returns the number of a table in the log. */
  idOf(table: StoredName): number {
    const id = this.#ids.get(tableKey(table));
    if (id === undefined) throw new Error(`The table ${tableKey(table)} has no log.`);
    return id;
  }

  /** Returns the quoted name of a function of a table. */
  functionOf(table: TablePlan, purpose: 'row' | 'log'): string {
    return `${this.schema}.${quote(fitName(`${tableKey(table)}:${purpose}`))}`;
  }

  /** Returns the quoted name of a function for all tables. */
  own(name: string): string {
    return `${this.schema}.${quote(name)}`;
  }
}

/** Returns the statement that creates a trigger function in PL/pgSQL. It may be used by triggers of this schema only. */
export function createTriggerFunction(name: string, body: string, settings = ''): string {
  return `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql ${settings} AS ${literal(body)};
REVOKE ALL ON FUNCTION ${name}() FROM PUBLIC`;
}

/** Returns the settings of a function that may use the tables of the store, whatever the rights and the settings of the program. */
export function trusted({ schema }: ExternalNames): string {
  return `SECURITY DEFINER SET search_path = ${schema}, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1`;
}
