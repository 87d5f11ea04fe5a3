import type { CompositeIndexPlan, FieldPlan, FieldType, TablePlan } from '../../../schema/plan.ts';
import { expiryOf } from '../../expiry.ts';
import { logName, quote, recordsName, type StoredTableName } from '../sql/table-names.ts';

export const CREATE_META =
  'CREATE TABLE IF NOT EXISTS tablecast_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID';

/** Returns the key in tablecast_meta of the position after which a table's log is complete. */
export function floorKey({ database, table }: StoredTableName): string {
  return `floor:${database}/${table}`;
}

/** Returns the key in tablecast_meta of the position of the last schema change that changed the table's records. */
export function shapeKey({ database, table }: StoredTableName): string {
  return `shape:${database}/${table}`;
}

/**
 * Returns the statement that creates the table of records. It has a rowid: a tree with whole records in its inner nodes
 * gets deep, and at 1 KB a record each step of it costs five times as much. Tables of older stores that were made WITHOUT
 * ROWID work as well, but slower.
 */
export function createRecords(table: TablePlan, name: string = recordsName(table)): string {
  const columns = [...table.fields.map(columnOf), '_seq INTEGER NOT NULL'];
  if (expiryOf(table) !== undefined) columns.push('_expires INTEGER');
  return `CREATE TABLE ${name} (${columns.join(', ')}) STRICT`;
}

/** Column of the log with the transaction of the change, null for a change that was made alone. */
const TRANSACTION_COLUMN = 'tx INTEGER';

/** Returns the statement that gives the column to a log from before there were transactions. */
export function addTransactionColumn(table: TablePlan): string {
  return `ALTER TABLE ${logName(table)} ADD COLUMN ${TRANSACTION_COLUMN}`;
}

export function createLog(table: TablePlan): string {
  const columns = `seq INTEGER PRIMARY KEY, op INTEGER NOT NULL, id ${sqlType(table.primaryKey.type)}, data TEXT, before TEXT, ${TRANSACTION_COLUMN}`;
  return `CREATE TABLE ${logName(table)} (${columns}) STRICT`;
}

/** Returns the statements that create the indexes of the table. */
export function createIndexes(table: TablePlan): string[] {
  const ofFields = table.fields.filter(({ indexed, unique }) => indexed || unique);
  const created = [
    ...ofFields.map((field) => createIndex(table, field)),
    ...table.compositeIndexes.map((index) => createCompositeIndex(table, index)),
  ];
  if (expiryOf(table) === undefined) return created;
  return [...created, `CREATE INDEX ${expiryIndexName(table)} ON ${recordsName(table)} (_expires)`];
}

/** Returns the name of the index of the times of expiry. */
export function expiryIndexName({ database, table }: StoredTableName): string {
  return quote(`${database}/${table}:expires`);
}

/** Returns the statement that creates the index of a field. A unique field needs no second index. */
export function createIndex(table: TablePlan, field: FieldPlan): string {
  const kind = field.unique ? 'UNIQUE INDEX' : 'INDEX';
  const columns = field.unique ? [field.name] : inOrder(table, [field.name]);
  return `CREATE ${kind} ${indexName(table, field)} ON ${recordsName(table)} (${columns.map(quote).join(', ')})`;
}

export function createCompositeIndex(table: TablePlan, { fields, unique }: CompositeIndexPlan): string {
  const names = fields.map(({ name }) => name);
  const kind = unique ? 'UNIQUE INDEX' : 'INDEX';
  const columns = (unique ? names : inOrder(table, names)).map(quote).join(', ');
  return `CREATE ${kind} ${compositeIndexName(table, names)} ON ${recordsName(table)} (${columns})`;
}

/** Appends the primary key: the records of one value are then in the order of lists, and need not be sorted. */
function inOrder({ primaryKey: { name } }: TablePlan, names: readonly string[]): readonly string[] {
  return names.includes(name) ? names : [...names, name];
}

/** Returns the name of a composite index. A field's name has no ",", so no index of one field has the same name. */
export function compositeIndexName({ database, table }: StoredTableName, fields: readonly string[]): string {
  return quote(`${database}/${table}.${fields.join(',')}`);
}

/** Returns the name of a field's index. No other name in the store is equal: a stored name has neither "/" nor ".". */
export function indexName({ database, table }: StoredTableName, { name }: Pick<FieldPlan, 'name'>): string {
  return quote(`${database}/${table}.${name}`);
}

export function columnOf(field: FieldPlan): string {
  const constraint = field.primaryKey ? ' PRIMARY KEY' : '';
  return `${quote(field.name)} ${sqlType(field.type)}${field.required ? ' NOT NULL' : ''}${constraint}`;
}

export function sqlType(type: FieldType): 'TEXT' | 'INTEGER' | 'REAL' {
  if (type.kind !== 'scalar') return 'TEXT';
  if (type.name === 'Int' || type.name === 'Long' || type.name === 'Boolean') return 'INTEGER';
  return type.name === 'Float' ? 'REAL' : 'TEXT';
}
