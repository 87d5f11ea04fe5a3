import type { CompositeIndexPlan, FieldPlan, FieldType, TablePlan } from '../../../schema/plan.ts';
import { expiryOf } from '../../expiry.ts';
import { logName, quote, recordsName, type StoredTableName } from '../sql/table-names.ts';

export const CREATE_META =
  'CREATE TABLE IF NOT EXISTS tablecast_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID';

/** Key in tablecast_meta of the position from which on a table's log is whole. */
export function floorKey({ database, table }: StoredTableName): string {
  return `floor:${database}/${table}`;
}

/** Key in tablecast_meta of the position at which a schema change last gave the table's records another form. */
export function shapeKey({ database, table }: StoredTableName): string {
  return `shape:${database}/${table}`;
}

/**
 * With a rowid: a tree that has whole records in its inner nodes gets deep, and at 1 KB a record each step of it costs five
 * times as much. Tables that were made without one are as good as these, but slower.
 */
export function createRecords(table: TablePlan, name: string = recordsName(table)): string {
  const columns = [...table.fields.map(columnOf), '_seq INTEGER NOT NULL'];
  if (expiryOf(table) !== undefined) columns.push('_expires INTEGER');
  return `CREATE TABLE ${name} (${columns.join(', ')}) STRICT`;
}

export function createLog(table: TablePlan): string {
  const columns = `seq INTEGER PRIMARY KEY, op INTEGER NOT NULL, id ${sqlType(table.primaryKey.type)}, data TEXT, before TEXT`;
  return `CREATE TABLE ${logName(table)} (${columns}) STRICT`;
}

/** Every index of the table, in SQL. */
export function createIndexes(table: TablePlan): string[] {
  const ofFields = table.fields.filter(({ indexed, unique }) => indexed || unique);
  const created = [
    ...ofFields.map((field) => createIndex(table, field)),
    ...table.compositeIndexes.map((index) => createCompositeIndex(table, index)),
  ];
  if (expiryOf(table) === undefined) return created;
  const name = quote(`${table.database}/${table.table}:expires`);
  return [...created, `CREATE INDEX ${name} ON ${recordsName(table)} (_expires)`];
}

/** A unique column needs no second index. */
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

/** With the key at the end: the records of one value then come in the order of lists, and need not be sorted. */
function inOrder({ primaryKey: { name } }: TablePlan, names: readonly string[]): readonly string[] {
  return names.includes(name) ? names : [...names, name];
}

/** A field's name has no ",", so that no index of one field is called so. */
export function compositeIndexName({ database, table }: StoredTableName, fields: readonly string[]): string {
  return quote(`${database}/${table}.${fields.join(',')}`);
}

/** No other name in the store can be the same: a stored name has neither "/" nor ".". */
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
