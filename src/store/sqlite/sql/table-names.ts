import type { TablePlan } from '../../../schema/plan.ts';
import type { SqlNames } from './names.ts';

/** Stored names: of a table in the plan, or of one that has left it. */
export type StoredTableName = Pick<TablePlan, 'database' | 'table'>;

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Name of the SQL table that holds a table's records, as SQLite knows it. */
export function recordsTable({ database, table }: StoredTableName): string {
  return `${database}/${table}`;
}

/** The same, quoted. */
export function recordsName(table: StoredTableName): string {
  return quote(recordsTable(table));
}

/** Quoted name of the SQL table that holds a table's log. */
export function logName({ database, table }: StoredTableName): string {
  return quote(`${database}/${table}:log`);
}

/** Quoted names of the SQL tables of a field's full-text index: the words by number, and the records' keys by number. */
export function fulltextNames({ database, table }: StoredTableName, { name }: { readonly name: string }) {
  return { words: quote(`${database}/${table}.${name}:words`), docs: quote(`${database}/${table}.${name}:docs`) };
}

/** How the query language's statements call the SQL tables. */
export const NAMES: SqlNames = { records: recordsName, fulltext: fulltextNames };
