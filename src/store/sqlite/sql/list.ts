import { type Position, totalOrder } from '../../../query/cursor.ts';
import type { ListQuery, SortKey } from '../../../query/list-query.ts';
import { wholeOf } from '../../../query/select.ts';
import { both } from '../../../query/view.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { RecordsBy } from '../../store.ts';
import { compileFilterSql, type Sql, type SqlValue } from './condition.ts';
import { compileJson } from './json.ts';
import { LIMIT } from './limit.ts';
import { quote, type SqlNames } from './table-names.ts';

/** Alias of the table in statements, so that no column is ambiguous with those of json_each. */
const ALIAS = 't';

function column(name: string): string {
  return `${ALIAS}.${quote(name)}`;
}

/**
 * Compiles the statement of a list: one column, the JSON text of a record. It returns one record more than the limit when
 * there are more. Nulls are first, last when descending; the primary key breaks ties.
 */
export function compileListSql(query: ListQuery, table: TablePlan, names: SqlNames): Sql {
  const json = compileJson(query.select ?? wholeOf(table, undefined), { table, alias: ALIAS, names });
  return compilePage(json, query, table, names);
}

/**
 * Compiles the same for a list that has to be sorted: first the page, as values of `rowKey`, by which a row is found
 * fastest, then the text of these records only. Otherwise SQLite would write the text of every record that it sorts.
 */
export function compileSortedListSql(query: ListQuery, table: TablePlan, names: SqlNames, rowKey: string): Sql {
  const json = compileJson(query.select ?? wholeOf(table, undefined), { table, alias: ALIAS, names });
  const key = `${ALIAS}.${rowKey}`;
  const keys = compilePage({ sql: `${key} AS key`, params: [] }, query, table, names);
  // The cross join keeps the order of the keys.
  const records = `(${keys.sql}) AS page CROSS JOIN ${names.records(table)} AS ${ALIAS} ON ${key} = page.key`;
  return { sql: `SELECT ${json.sql} FROM ${records}`, params: [...json.params, ...keys.params] };
}

/** Compiles the same for whole records, of which the hub makes frames: primary key, `seqColumn`, JSON text of all fields. */
export function compileRecordsSql(query: ListQuery, table: TablePlan, names: SqlNames, seqColumn: string): Sql {
  const json = compileJson(wholeOf(table, undefined), { table, alias: ALIAS, names });
  const sql = `${column(table.primaryKey.name)}, ${column(seqColumn)}, ${json.sql}`;
  return compilePage({ sql, params: json.params }, query, table, names);
}

/** Compiles the statement of `RecordsBy`: columns as above. Its parameters are the values as JSON text, those of the filter, and the limit. */
export function compileRecordsBySql(
  { field, filter }: Pick<RecordsBy, 'field' | 'filter'>,
  table: TablePlan,
  names: SqlNames,
  seqColumn: string,
): Sql {
  const json = compileJson(wholeOf(table, undefined), { table, alias: ALIAS, names });
  const key = column(table.primaryKey.name);
  const value = column(field.name);
  const values = '(SELECT value FROM json_each(?))';
  const found =
    field.type.kind === 'list'
      ? `EXISTS (SELECT 1 FROM json_each(${value}) AS k WHERE k.value IN ${values})`
      : `${value} IN ${values}`;
  const where = filter && compileFilterSql(filter, { alias: ALIAS, table, names });
  const also = where === undefined ? '' : ` AND (${where.sql})`;
  const sql = `SELECT ${key}, ${column(seqColumn)}, ${json.sql} FROM ${names.records(table)} AS ${ALIAS} WHERE ${found}${also} ORDER BY ${key} ${LIMIT}`;
  return { sql, params: where?.params ?? [] };
}

function compilePage(columns: Sql, query: ListQuery, table: TablePlan, names: SqlNames): Sql {
  const order = totalOrder(query.sort, table);
  const where = compileWhere(query, order, table, names);
  const by = order.map(({ field, descending }) => `${column(field.name)}${descending ? ' DESC' : ''}`);
  const sql = `SELECT ${columns.sql} FROM ${names.records(table)} AS ${ALIAS}${where.sql} ORDER BY ${by.join(', ')}`;
  const params = [...columns.params, ...where.params];
  // A literal: SQLite plans by the limit, and would plan a statement with a parameter again at each run.
  const page = `${sql} LIMIT ${query.limit + 1}`;
  return query.offset === 0 ? { sql: page, params } : { sql: `${page} OFFSET ?`, params: [...params, query.offset] };
}

/** Compiles the statement that counts the records that match the filter, on all pages. */
export function compileCountSql(query: ListQuery, table: TablePlan, names: SqlNames): Sql {
  const filter = both(query.filter, query.sees);
  const where = filter && compileFilterSql(filter, { alias: ALIAS, table, names });
  const sql = `SELECT count(*) FROM ${names.records(table)} AS ${ALIAS}`;
  return where === undefined ? { sql, params: [] } : { sql: `${sql} WHERE ${where.sql}`, params: where.params };
}

/** Compiles the statement that reads the sort keys of one record: the position of a page that ends with it. */
export function compilePositionSql(query: ListQuery, table: TablePlan, names: SqlNames): string {
  const keys = totalOrder(query.sort, table).map(({ field }) => column(field.name));
  return `SELECT ${keys.join(', ')} FROM ${names.records(table)} AS ${ALIAS} WHERE ${column(table.primaryKey.name)} = ?`;
}

function compileWhere(query: ListQuery, order: readonly SortKey[], table: TablePlan, names: SqlNames): Sql {
  const conditions: string[] = [];
  const params: SqlValue[] = [];
  for (const condition of [query.filter, query.sees]) {
    if (condition === undefined) continue;
    const filter = compileFilterSql(condition, { alias: ALIAS, table, names });
    conditions.push(filter.sql);
    params.push(...filter.params);
  }
  if (query.cursor !== undefined) {
    const after = compileAfter(order, query.cursor);
    conditions.push(after.sql);
    params.push(...after.params);
  }
  return { sql: conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`, params };
}

/** Compiles the condition that (a, b, c) is after (x, y, z): a after x, or a equal and b after y, or … */
function compileAfter(order: readonly SortKey[], position: Position): Sql {
  const alternatives: string[] = [];
  const params: SqlValue[] = [];
  // A separate condition, and first, since SQLite uses no index for an OR.
  const bound = order.length > 1 ? boundOf(order[0] as SortKey, position[0] as SqlValue) : undefined;
  if (bound !== undefined) params.push(position[0] as SqlValue);
  order.forEach((key, index) => {
    const value = position[index] as SqlValue;
    const beyond = beyondOf(key, value);
    if (beyond === undefined) return;
    const same = order.slice(0, index).map(({ field }) => `${column(field.name)} IS ?`);
    params.push(...position.slice(0, index), ...(value === null ? [] : [value]));
    alternatives.push([...same, beyond].join(' AND '));
  });
  const after = `(${alternatives.join(' OR ')})`;
  return { sql: bound === undefined ? after : `${bound} AND ${after}`, params };
}

function boundOf({ field, descending }: SortKey, value: SqlValue): string | undefined {
  if (value === null) return undefined;
  if (!descending) return `${column(field.name)} >= ?`;
  // Nulls are smaller than any value and follow it in this order, where a comparison would exclude them.
  return field.required ? `${column(field.name)} <= ?` : undefined;
}

function beyondOf({ field, descending }: SortKey, value: SqlValue): string | undefined {
  const name = column(field.name);
  if (value === null) return descending ? undefined : `${name} IS NOT NULL`;
  if (!descending) return `${name} > ?`;
  return field.required ? `${name} < ?` : `(${name} < ? OR ${name} IS NULL)`;
}
