import { createHash } from 'node:crypto';
import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';

/** Stored names of a table in the plan, or of one that has left it. */
export type StoredName = Pick<TablePlan, 'database' | 'table'>;

/** Bytes of a name in PostgreSQL, which cuts longer ones off. */
export const MAX_NAME_BYTES = 63;
const HASH_CHARS = 10;

/** Quotes an SQL name, which must be from the plan and never a client's text. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Writes a text as an SQL literal. */
export function literal(text: string): string {
  return `E'${text.replace(/[\\']/g, '\\$&')}'`;
}

/** Returns a name that PostgreSQL keeps whole: of a longer one the beginning and a hash. */
export function fitName(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_CHARS);
  return `${name.slice(0, MAX_NAME_BYTES - HASH_CHARS - 1)}~${hash}`;
}

/** Returns the unquoted name of the SQL table of a table's records. Stored names are compared without case. */
export function recordsTable({ database, table }: StoredName): string {
  return fitName(`${database}/${table}`.toLowerCase());
}

/** Returns the quoted name of the SQL table of a table's records. */
export function recordsName(table: StoredName): string {
  return quote(recordsTable(table));
}

/** Returns the name of a table in the log and the audit log: its stored names in lower case. */
export function tableKey({ database, table }: StoredName): string {
  return `${database}/${table}`.toLowerCase();
}

/** Returns the unquoted name of an index. No other name in the schema is equal: a stored name has neither "/" nor ".". */
export function indexName({ database, table }: StoredName, fields: readonly string[]): string {
  return fitName(`${database}/${table}.${fields.join(',')}`.toLowerCase());
}

/** Returns the unquoted name of the index of expiry times. */
export function expiryIndexName({ database, table }: StoredName): string {
  return fitName(`${database}/${table}:expires`.toLowerCase());
}

/** Returns the unquoted name of the constraint of the primary key. */
export function primaryKeyName({ database, table }: StoredName): string {
  return fitName(`${database}/${table}:key`.toLowerCase());
}

/** Returns the unquoted name of the index of the words of a field. */
export function wordsIndexName({ database, table }: StoredName, { name }: Pick<FieldPlan, 'name'>): string {
  return fitName(`${database}/${table}.${name}:words`.toLowerCase());
}

/** Returns the unquoted name of the column with the words of a field. A field's name has no ":". */
export function wordsColumn({ name }: Pick<FieldPlan, 'name'>): string {
  return fitName(`${name}:words`);
}
