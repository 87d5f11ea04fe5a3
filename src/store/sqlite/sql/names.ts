import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';

/** Quoted names of a store's SQL tables. */
export interface SqlNames {
  /** Returns the SQL table of a table's records. */
  records(table: TablePlan): string;
  /** Returns the SQL tables of a full-text index: `words` by number, and in `docs` the `key` of the record with the number `doc`. */
  fulltext(table: TablePlan, field: FieldPlan): { readonly words: string; readonly docs: string };
}

/** Quotes an SQL name, which must be from the plan and never a client's text. */
export function quoteName(name: string): string {
  return name.includes('"') ? `"${name.replaceAll('"', '""')}"` : `"${name}"`;
}

/** Table in a statement. */
export interface SqlSource {
  readonly table: TablePlan;
  /** Fixed word, never a client's text. */
  readonly alias: string;
  readonly names: SqlNames;
}
