import { type Position, totalOrder } from '../../../query/cursor.ts';
import type { ListQuery, SortKey } from '../../../query/list-query.ts';
import { wholeOf } from '../../../query/select.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { Cell, RecordsBy } from '../../store.ts';
import { compileFilter, elementTexts } from './condition.ts';
import { compileJson } from './json.ts';
import { quote, recordsName } from './names.ts';
import { Params, type PgStatement } from './params.ts';
import { sqlType } from './types.ts';

/** Alias of the table in statements. */
const ALIAS = 't';
/** Alias of the page that was found in it. */
const PAGE = 'p';

function column(name: string, alias = ALIAS): string {
  return `${alias}.${quote(name)}`;
}

/**
 * Compiles the statement of a list: JSON text of a record, and its sort keys. It returns one record more than the limit
 * when there are more. The page is found first, so that the text of these records alone is made.
 */
export function compileList(query: ListQuery, table: TablePlan): PgStatement {
  const order = totalOrder(query.sort, table);
  return compilePage(query, table, (params) => {
    const json = compileJson(query.select ?? wholeOf(table, undefined), { table, alias: PAGE }, params);
    return [json, ...order.map(({ field }) => column(field.name, PAGE))];
  });
}

/** Compiles the same for whole records, of which the hub makes frames: primary key, seq, JSON text of all fields. */
export function compileRecords(query: ListQuery, table: TablePlan): PgStatement {
  return compilePage(query, table, (params) => {
    const json = compileJson(wholeOf(table, undefined), { table, alias: PAGE }, params);
    return [column(table.primaryKey.name, PAGE), column('_seq', PAGE), json];
  });
}

/** Compiles the statement of `RecordsBy`: columns as above. */
export function compileRecordsBy({ field, values, filter, limit }: RecordsBy, table: TablePlan): PgStatement {
  const params = new Params();
  const json = compileJson(wholeOf(table, undefined), { table, alias: ALIAS }, params);
  const key = column(table.primaryKey.name);
  const value = column(field.name);
  const found =
    field.type.kind === 'list'
      ? `EXISTS (SELECT 1 FROM ${elementTexts(value)} AS k(value) WHERE k.value = ANY(${params.bindAll(values.map(String), 'text')}))`
      : `${value} = ANY(${params.bindAll(values, sqlType(field.type))})`;
  const also = filter === undefined ? '' : ` AND (${compileFilter(filter, { alias: ALIAS, table }, params)})`;
  const columns = `${key}, ${column('_seq')}, ${json}`;
  const sql = `SELECT ${columns} FROM ${recordsName(table)} AS ${ALIAS} WHERE ${found}${also} ORDER BY ${key} LIMIT ${limit}`;
  return { sql, params: params.values };
}

function compilePage(
  query: ListQuery,
  table: TablePlan,
  columnsOf: (params: Params) => readonly string[],
): PgStatement {
  const params = new Params();
  const order = totalOrder(query.sort, table);
  const columns = columnsOf(params);
  const where = compileWhere(query, order, table, params);
  const by = orderBy(order, ALIAS);
  const page = `SELECT * FROM ${recordsName(table)} AS ${ALIAS}${where} ORDER BY ${by} LIMIT ${query.limit + 1}`;
  const offset = query.offset === 0 ? '' : ` OFFSET ${query.offset}`;
  return {
    sql: `SELECT ${columns.join(', ')} FROM (${page}${offset}) AS ${PAGE} ORDER BY ${orderBy(order, PAGE)}`,
    params: params.values,
  };
}

/** Null is the smallest value. An order that names what the column cannot have would not use its index. */
function orderBy(order: readonly SortKey[], alias: string): string {
  const terms = order.map(({ field, descending }) => {
    const nulls = field.required || field.primaryKey ? '' : descending ? ' NULLS LAST' : ' NULLS FIRST';
    return `${column(field.name, alias)}${descending ? ' DESC' : ''}${nulls}`;
  });
  return terms.join(', ');
}

/** Compiles the statement that counts the records that match the filter, on all pages. */
export function compileCount(filter: ListQuery['filter'], table: TablePlan): PgStatement {
  const params = new Params();
  const where = filter === undefined ? '' : ` WHERE ${compileFilter(filter, { alias: ALIAS, table }, params)}`;
  return { sql: `SELECT count(*) FROM ${recordsName(table)} AS ${ALIAS}${where}`, params: params.values };
}

/** Compiles the statement that selects and locks the keys of the records that match, at most `limit`, in order. */
export function compileKeys(filter: ListQuery['filter'], table: TablePlan, limit: number): PgStatement {
  const params = new Params();
  const where = filter === undefined ? '' : ` WHERE ${compileFilter(filter, { alias: ALIAS, table }, params)}`;
  const key = column(table.primaryKey.name);
  const sql = `SELECT ${key} FROM ${recordsName(table)} AS ${ALIAS}${where} ORDER BY ${key} LIMIT ${limit} FOR UPDATE OF ${ALIAS}`;
  return { sql, params: params.values };
}

function compileWhere(query: ListQuery, order: readonly SortKey[], table: TablePlan, params: Params): string {
  const conditions: string[] = [];
  for (const condition of [query.filter, query.sees]) {
    if (condition !== undefined) conditions.push(compileFilter(condition, { alias: ALIAS, table }, params));
  }
  if (query.cursor !== undefined) conditions.push(compileAfter(order, query.cursor, params));
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
}

/** Compiles the condition that (a, b, c) is after (x, y, z): a after x, or a equal and b after y, or … */
function compileAfter(order: readonly SortKey[], position: Position, params: Params): string {
  const bind = ({ field }: SortKey, index: number) => params.bind(position[index] as Cell, sqlType(field.type));
  const alternatives = order.flatMap((key, index) => {
    const beyond = beyondOf(key, position[index] as Cell, () => bind(key, index));
    if (beyond === undefined) return [];
    const same = order.slice(0, index).map((other, place) => {
      const name = column(other.field.name);
      return position[place] === null ? `${name} IS NULL` : `${name} = ${bind(other, place)}`;
    });
    return [[...same, beyond].join(' AND ')];
  });
  const after = alternatives.length === 0 ? 'false' : `(${alternatives.join(' OR ')})`;
  const first = order[0] as SortKey;
  const bound = order.length > 1 ? boundOf(first, position[0] as Cell, () => bind(first, 0)) : undefined;
  return bound === undefined ? after : `${bound} AND ${after}`;
}

/** Returns a separate condition on the first sort key, since no index is used for an OR. */
function boundOf({ field, descending }: SortKey, value: Cell, bind: () => string): string | undefined {
  if (value === null) return undefined;
  if (!descending) return `${column(field.name)} >= ${bind()}`;
  // Nulls are smaller than any value and follow it in this order, where a comparison would exclude them.
  return field.required ? `${column(field.name)} <= ${bind()}` : undefined;
}

function beyondOf({ field, descending }: SortKey, value: Cell, bind: () => string): string | undefined {
  const name = column(field.name);
  if (value === null) return descending ? undefined : `${name} IS NOT NULL`;
  if (!descending) return `${name} > ${bind()}`;
  return field.required ? `${name} < ${bind()}` : `(${name} < ${bind()} OR ${name} IS NULL)`;
}
