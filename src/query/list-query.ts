import type { Limits } from '../config/config.ts';
import { suggest } from '../config/files/suggest.ts';
import type { FieldPlan, TablePlan } from '../schema/plan.ts';
import { type Position, parseCursor, totalOrder } from './cursor.ts';
import { parseSelect, type Select, wholeOf } from './select.ts';
import type { Filter } from './syntax/ast.ts';
import { fieldsByName } from './syntax/fields.ts';
import { nameType } from './syntax/literal.ts';
import { type FilterScope, parseQuery } from './syntax/parse.ts';
import { columnOf, makeQueryError, show } from './syntax/problem.ts';
import { dependenciesOf, NO_TABLES, relatedTables } from './tables-of.ts';
import { both, nameableFields, type ReadPolicy } from './view.ts';

export interface SortKey {
  readonly field: FieldPlan;
  readonly descending: boolean;
}

/** Parsed query of a list. Plain data, frozen, and valid for the table it was parsed for. */
export interface ListQuery {
  readonly filter?: Filter;
  /** Filter of the records that the caller can read. */
  readonly sees?: Filter;
  readonly sort: readonly SortKey[];
  readonly limit: number;
  readonly offset: number;
  /** Position that the records follow in the order. */
  readonly cursor?: Position;
  /** True when the number of all matching records is requested too. */
  readonly count: boolean;
  /** Absent means all fields and no relations. */
  readonly select?: Select;
  /** Other tables whose records the filter or the select reads: the caller must be allowed to read them. */
  readonly related: ReadonlySet<TablePlan>;
  /** Other tables whose records decide about the result, also by rules that the caller does not see. */
  readonly dependencies: ReadonlySet<TablePlan>;
  /** Reserved parameters of the request, decoded once and otherwise as they came. */
  readonly others: ReadonlyMap<string, string>;
  /** Names of the list parameters in the request. */
  readonly given: ReadonlySet<string>;
}

/** Parameters of every list. The calling code may reserve more. */
export const LIST_PARAMETERS: ReadonlySet<string> = new Set([
  'filter',
  'sort',
  'limit',
  'offset',
  'cursor',
  'count',
  'select',
]);

/** Scope of a list, which needs more limits than its filter. */
interface ListQueryScope extends FilterScope {
  readonly limits: Limits;
}

/** `parseQueryFor` of a caller that can read everything; `reserved` has the parameters besides those of lists. */
export function parseListQuery(
  rawQuery: string,
  table: TablePlan,
  limits: Limits,
  reserved: ReadonlySet<string>,
): ListQuery {
  return parseQueryFor(rawQuery, { table, limits, reserved: new Set([...LIST_PARAMETERS, ...reserved]) });
}

/**
 * Parses a list's query string, still percent-encoded and without the question mark. `reserved` names every parameter:
 * `LIST_PARAMETERS`, and those of the endpoint. With a view, fields and records outside of it can be neither named nor
 * found. Throws INVALID_QUERY.
 */
export function parseQueryFor(rawQuery: string, { table, limits, reserved, view }: ListQueryScope): ListQuery {
  const { filter, parameters } = parseQuery(rawQuery, { table, limits, reserved, view });
  const sort = parseSort(parameters.get('sort'), table, view);
  const select = parameters.get('select');
  const cursor = parameters.get('cursor');
  const query: { -readonly [Member in keyof ListQuery]: ListQuery[Member] } = {
    sort,
    limit: parseLimit(parameters.get('limit'), limits),
    offset: parseOffset(parameters.get('offset')),
    count: parseCount(parameters.get('count')),
    related: NO_TABLES,
    dependencies: NO_TABLES,
    others: othersOf(parameters),
    given: new Set([...parameters.keys()].filter((name) => LIST_PARAMETERS.has(name))),
  };
  const sees = view?.of(table)?.filter;
  if (filter !== undefined) query.filter = view === undefined ? filter : restrictFilter(filter, view);
  if (sees !== undefined) query.sees = sees;
  if (select !== undefined) query.select = parseSelect(select, table, view);
  else if (view?.of(table) !== undefined) query.select = wholeOf(table, view);
  if (cursor !== undefined) {
    if (parameters.has('offset')) throw makeQueryError('cursor', 'a cursor and an offset do not go together');
    query.cursor = Object.freeze(parseCursor(cursor, totalOrder(sort, table)));
  }
  query.related = relatedTables(query);
  query.dependencies = dependenciesOf(query);
  return Object.freeze(query);
}

/** Restricts the records of other tables to those that the caller can read. */
export function restrictFilter(filter: Filter, view: ReadPolicy): Filter {
  switch (filter.type) {
    case 'and':
    case 'or':
      return { type: filter.type, items: filter.items.map((item) => restrictFilter(item, view)) };
    case 'not':
      return { type: 'not', item: restrictFilter(filter.item, view) };
    case 'related': {
      const inner = filter.item && restrictFilter(filter.item, view);
      return { ...filter, item: both(view.of(filter.relation.target)?.filter, inner) };
    }
    default:
      return filter;
  }
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

function parseCount(text: string | undefined): boolean {
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw makeQueryError('count', `expected true or false, found ${show(text)}`);
}

const UNSORTED: readonly SortKey[] = Object.freeze([]);

/** Parses `a,-b`; each field at most once, so their number is bounded by the table. */
function parseSort(text: string | undefined, table: TablePlan, view: ReadPolicy | undefined): readonly SortKey[] {
  if (text === undefined) return UNSORTED;
  const byName = fieldsByName(nameableFields(table, view));
  const seen = new Set<string>();
  let position = 0;
  const keys = text.split(',', table.fields.length + 1).map((item): SortKey => {
    const column = columnOf(text, position);
    position += item.length + 1;
    const fail = (message: string) => makeQueryError('sort', `column ${column}: ${message}`);
    // A plus arrives as a space when it was not encoded.
    const sign = /^[-+ ]/.test(item) ? item.charAt(0) : '';
    const name = item.slice(sign.length);
    const field = byName.get(name);
    if (name === '') throw fail('expected a field');
    if (field === undefined) {
      const meant = suggest(name, byName.keys());
      throw fail(`${table.name} has no field ${show(name)}${meant === undefined ? '' : `; ${meant}`}`);
    }
    if (seen.has(name)) throw fail(`${name} is named twice`);
    seen.add(name);
    const { type } = field;
    if (type.kind === 'list' || type.kind === 'object' || (type.kind === 'scalar' && type.name === 'JSON')) {
      throw fail(`${field.name} is ${nameType(type)}, which has no order`);
    }
    return { field, descending: sign === '-' };
  });
  return Object.freeze(keys);
}
