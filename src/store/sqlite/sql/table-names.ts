import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';

/** Quoted names of a store's SQL tables. */
export interface SqlNames {
  /** Returns the SQL table of a table's records. */
  records(table: TablePlan): string;
  /** Returns the SQL tables of a full-text index: `words` by number, and in `docs` the `key` of the record with the number `doc`. */
  fulltext(table: TablePlan, field: FieldPlan): { readonly words: string; readonly docs: string };
}

/** Table in a statement. */
export interface SqlSource {
  readonly table: TablePlan;
  /** Fixed word, never a client's text. */
  readonly alias: string;
  readonly names: SqlNames;
}

/** Stored names of a table in the plan, or of one that has left it. */
export type StoredTableName = Pick<TablePlan, 'database' | 'table'>;

/** Quotes an SQL name, which must be from the plan and never a client's text. */
export function quote(name: string): string {
  return name.includes('"') ? `"${name.replaceAll('"', '""')}"` : `"${name}"`;
}

/** Returns the unquoted name of the SQL table of a table's records. */
export function recordsTable({ database, table }: StoredTableName): string {
  return `${database}/${table}`;
}

/** Returns the quoted name of the SQL table of a table's records. */
export function recordsName(table: StoredTableName): string {
  return quote(recordsTable(table));
}

/** Returns the quoted name of the SQL table of a table's log. */
export function logName({ database, table }: StoredTableName): string {
  return quote(`${database}/${table}:log`);
}

/** Returns the quoted names of the SQL tables of a field's full-text index: the words by number, and the records' keys by number. */
export function fulltextNames({ database, table }: StoredTableName, { name }: { readonly name: string }) {
  return { words: quote(`${database}/${table}.${name}:words`), docs: quote(`${database}/${table}.${name}:docs`) };
}

/** Names of the SQL tables for the statements of the query language. */
export const NAMES: SqlNames = { records: recordsName, fulltext: fulltextNames };
