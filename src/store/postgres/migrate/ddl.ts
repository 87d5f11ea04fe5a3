import type { CompositeIndexPlan, FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { expiryOf } from '../../expiry.ts';
import {
  expiryIndexName,
  indexName,
  primaryKeyName,
  quote,
  recordsName,
  wordsColumn,
  wordsIndexName,
} from '../sql/names.ts';
import { columnType } from '../sql/types.ts';

/** Part of a page that new records leave free, so that an update finds room beside the record. */
const FILL_FACTOR = 85;

/** Returns the statement that creates the table of records, without its key and indexes. */
export function createRecords(table: TablePlan, name: string = recordsName(table)): string {
  const columns = [
    ...table.fields.map(columnOf),
    ...table.fields.filter(({ fulltext }) => fulltext).map((field) => `${quote(wordsColumn(field))} tsvector`),
    '_seq bigint NOT NULL',
    ...(expiryOf(table) === undefined ? [] : ['_expires bigint']),
  ];
  return `CREATE TABLE ${name} (${columns.join(', ')}) WITH (fillfactor = ${FILL_FACTOR})`;
}

/** Returns the statements that create the key and the indexes of the table. */
export function createIndexes(table: TablePlan): string[] {
  const { fields, compositeIndexes, primaryKey } = table;
  const records = recordsName(table);
  const key = `ALTER TABLE ${records} ADD CONSTRAINT ${quote(primaryKeyName(table))} PRIMARY KEY (${quote(primaryKey.name)})`;
  return [
    key,
    ...fields.filter(({ indexed, unique }) => indexed || unique).map((field) => createIndex(table, field)),
    ...compositeIndexes.map((index) => createCompositeIndex(table, index)),
    ...fields.filter(({ fulltext }) => fulltext).map((field) => createWordsIndex(table, field)),
    ...(expiryOf(table) === undefined
      ? []
      : [`CREATE INDEX ${quote(expiryIndexName(table))} ON ${records} (_expires)`]),
  ];
}

/** Returns the statement that creates the index of a field. A unique field needs no second index. */
export function createIndex(table: TablePlan, field: FieldPlan): string {
  return createIndexOver(table, [field], field.unique);
}

export function createCompositeIndex(table: TablePlan, { fields, unique }: CompositeIndexPlan): string {
  return createIndexOver(table, fields, unique);
}

export function createWordsIndex(table: TablePlan, field: FieldPlan): string {
  return `CREATE INDEX ${quote(wordsIndexName(table, field))} ON ${recordsName(table)} USING gin (${quote(wordsColumn(field))})`;
}

/** Null is the smallest value in an index as in a list. The primary key at the end makes the order total. */
function createIndexOver(table: TablePlan, fields: readonly FieldPlan[], unique: boolean): string {
  const kind = unique ? 'UNIQUE INDEX' : 'INDEX';
  const name = quote(
    indexName(
      table,
      fields.map((field) => field.name),
    ),
  );
  const { primaryKey } = table;
  const columns = unique || fields.includes(primaryKey) ? fields : [...fields, primaryKey];
  const terms = columns.map(
    (field) => `${quote(field.name)}${field.required || field.primaryKey ? '' : ' NULLS FIRST'}`,
  );
  return `CREATE ${kind} ${name} ON ${recordsName(table)} (${terms.join(', ')})`;
}

export function columnOf(field: FieldPlan): string {
  const type = columnType(field.type);
  const check =
    type === 'double precision'
      ? ` CHECK (${quote(field.name)} BETWEEN '-1.7976931348623157e308' AND '1.7976931348623157e308')`
      : '';
  return `${quote(field.name)} ${type}${field.required ? ' NOT NULL' : ''}${check}`;
}
