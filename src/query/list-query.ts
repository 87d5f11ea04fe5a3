import type { Limits } from '../config/config.ts';
import { suggest } from '../config/suggest.ts';
import type { FieldPlan, TablePlan } from '../schema/plan.ts';
import type { Filter } from './ast.ts';
import { fieldsByName } from './fields.ts';
import { nameType } from './literal.ts';
import { parseQuery } from './parse.ts';
import { columnOf, makeQueryError, show } from './problem.ts';
import { compileFilterSql, quoteName, type Sql, type SqlValue } from './sql.ts';

export interface SortKey {
  readonly field: FieldPlan;
  readonly descending: boolean;
}

/** What a list request asks for. Plain data, frozen, and valid for the table it was parsed for. */
export interface ListQuery {
  readonly filter?: Filter;
  readonly sort: readonly SortKey[];
  readonly limit: number;
  readonly offset: number;
  /** In schema order and always with the primary key; absent means all fields. */
  readonly select?: readonly FieldPlan[];
  /** The caller's own parameters that were given, decoded once and otherwise as they came. */
  readonly others: ReadonlyMap<string, string>;
}

/** Parameters of every list. The caller may reserve more. */
export const LIST_PARAMETERS: ReadonlySet<string> = new Set(['filter', 'sort', 'limit', 'offset', 'select']);

const unions = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();

function withListParameters(reserved: ReadonlySet<string>): ReadonlySet<string> {
  let union = unions.get(reserved);
  if (union === undefined) {
    union = new Set([...LIST_PARAMETERS, ...reserved]);
    unions.set(reserved, union);
  }
  return union;
}

/**
 * Parses a list's query string, still percent-encoded and without the question mark. `reserved` names the
 * caller's own parameters; keep one set for all calls. Throws INVALID_QUERY.
 */
export function parseListQuery(
  rawQuery: string,
  table: TablePlan,
  limits: Limits,
  reserved: ReadonlySet<string>,
): ListQuery {
  const { filter, parameters } = parseQuery(rawQuery, { table, limits, reserved: withListParameters(reserved) });
  const select = parameters.get('select');
  const query: { -readonly [Member in keyof ListQuery]: ListQuery[Member] } = {
    sort: parseSort(parameters.get('sort'), table),
    limit: parseLimit(parameters.get('limit'), limits),
    offset: parseOffset(parameters.get('offset')),
    others: othersOf(parameters),
  };
  if (filter !== undefined) query.filter = filter;
  if (select !== undefined) query.select = Object.freeze(parseSelect(select, table));
  return Object.freeze(query);
}

function othersOf(parameters: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const others = new Map<string, string>();
  for (const [name, value] of parameters) if (!LIST_PARAMETERS.has(name)) others.set(name, value);
  return others;
}

const DIGITS = /^\d{1,15}$/;

function parseLimit(text: string | undefined, limits: Limits): number {
  if (text === undefined) return limits.pageDefault;
  const limit = DIGITS.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > limits.pageMax) {
    throw makeQueryError('limit', `expected a whole number from 1 to ${limits.pageMax}, found ${show(text)}`);
  }
  return limit;
}

function parseOffset(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!DIGITS.test(text)) {
    throw makeQueryError('offset', `expected a whole number from 0, found ${show(text)}`);
  }
  return Number(text);
}

interface NamedField {
  readonly field: FieldPlan;
  /** What stood before the name. */
  readonly sign: string;
  readonly column: number;
}

/** The fields of `a,-b`; each at most once, so their number is bounded by the table. */
function parseFields(parameter: string, text: string, table: TablePlan): NamedField[] {
  const byName = fieldsByName(table.fields);
  const seen = new Set<string>();
  let position = 0;
  return text.split(',', table.fields.length + 1).map((item) => {
    const column = columnOf(text, position);
    position += item.length + 1;
    const fail = (message: string) => makeQueryError(parameter, `column ${column}: ${message}`);
    // A plus arrives as a space when it was not encoded.
    const sign = parameter === 'sort' && /^[-+ ]/.test(item) ? item.charAt(0) : '';
    const name = item.slice(sign.length);
    const field = byName.get(name);
    if (name === '') throw fail('expected a field');
    if (field === undefined) {
      const meant = suggest(name, byName.keys());
      throw fail(`${table.name} has no field ${show(name)}${meant === undefined ? '' : `; ${meant}`}`);
    }
    if (seen.has(name)) throw fail(`${name} is named twice`);
    seen.add(name);
    return { field, sign, column };
  });
}

const UNSORTED: readonly SortKey[] = Object.freeze([]);

function parseSort(text: string | undefined, table: TablePlan): readonly SortKey[] {
  if (text === undefined) return UNSORTED;
  const keys = parseFields('sort', text, table).map(({ field, sign, column }) => {
    const { type } = field;
    if (type.kind === 'list' || type.kind === 'object' || (type.kind === 'scalar' && type.name === 'JSON')) {
      throw makeQueryError('sort', `column ${column}: ${field.name} is ${nameType(type)}, which has no order`);
    }
    return { field, descending: sign === '-' };
  });
  return Object.freeze(keys);
}

function parseSelect(text: string, table: TablePlan): FieldPlan[] {
  const named = new Set(parseFields('select', text, table).map(({ field }) => field));
  named.add(table.primaryKey);
  return table.fields.filter((field) => named.has(field));
}

/** The statement's name for the table, so that no column is taken for one of json_each's. */
const ALIAS = 't';

function column(name: string): string {
  return `${ALIAS}.${quoteName(name)}`;
}

const columnTexts = new WeakMap<readonly FieldPlan[], string>();

/** The columns of the fields, made once for each list of fields. */
function columnsOf(fields: readonly FieldPlan[]): string {
  let text = columnTexts.get(fields);
  if (text === undefined) {
    text = fields.map(({ name }) => column(name)).join(', ');
    columnTexts.set(fields, text);
  }
  return text;
}

/**
 * The statement of a list. `from` is the SQL name of the table of records, already quoted, and `extra` are further
 * columns that the store wants to read, after the fields. Nulls come first, last when descending; ties are broken by
 * the primary key.
 */
export function compileListSql(query: ListQuery, table: TablePlan, from: string, extra: readonly string[] = []): Sql {
  const where = query.filter === undefined ? undefined : compileFilterSql(query.filter, ALIAS);
  const params: SqlValue[] = [...(where?.params ?? []), query.limit, query.offset];
  const columns = [columnsOf(query.select ?? table.fields), ...extra.map(column)].join(', ');
  const order: string[] = [];
  for (const { field, descending } of [...query.sort, { field: table.primaryKey, descending: false }]) {
    order.push(`${column(field.name)}${descending ? ' DESC' : ''}`);
    // Nothing is left to order after a unique field that cannot be null.
    if (field.primaryKey) break;
  }
  const sql = [
    `SELECT ${columns} FROM ${from} AS ${ALIAS}`,
    ...(where === undefined ? [] : [`WHERE ${where.sql}`]),
    `ORDER BY ${order.join(', ')} LIMIT ? OFFSET ?`,
  ];
  return { sql: sql.join(' '), params };
}
