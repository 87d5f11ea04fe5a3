import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';

/** How a store calls its SQL tables; the names come quoted. */
export interface SqlNames {
  /** Table of a table's records. */
  records(table: TablePlan): string;
  /** Tables of a full-text index: `words` by number, and in `docs` the `key` of the record with the number `doc`. */
  fulltext(table: TablePlan, field: FieldPlan): { readonly words: string; readonly docs: string };
}

/** An SQL name. Only names from the plan come here, never a client's text; the doubling is for names with a quote. */
export function quoteName(name: string): string {
  return name.includes('"') ? `"${name.replaceAll('"', '""')}"` : `"${name}"`;
}

/** A table in a statement. */
export interface SqlSource {
  readonly table: TablePlan;
  /** A word of ours. */
  readonly alias: string;
  readonly names: SqlNames;
}
