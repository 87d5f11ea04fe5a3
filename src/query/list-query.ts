import type { Limits } from '../config/config.ts';
import type { FieldPlan, TablePlan } from '../schema/plan.ts';
import { AGGREGATE_PARAMETERS, type AggregateQuery, parseAggregate } from './aggregate/aggregate.ts';
import { type Position, parseCursor, totalOrder } from './cursor.ts';
import { parseSelect, type Select, wholeOf } from './select.ts';
import { parseSort } from './sort.ts';
import type { Filter } from './syntax/ast.ts';
import { type FilterScope, parseQuery } from './syntax/parse.ts';
import { makeQueryError, show } from './syntax/problem.ts';
import { dependenciesOf, NO_TABLES, relatedTables } from './tables-of.ts';
import { both, type ReadPolicy } from './view.ts';

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
  /** Totals of the matching records, instead of the records. */
  readonly aggregate?: AggregateQuery;
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

/** Parameters of every list, and `aggregate`, with which it has `group` and `having` too. The calling code may reserve more. */
export const LIST_PARAMETERS: ReadonlySet<string> = new Set([
  'filter',
  'sort',
  'limit',
  'offset',
  'cursor',
  'count',
  'select',
  'aggregate',
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
  const isAggregate = AGGREGATE.test(rawQuery);
  if (!isAggregate) refuseAlone(rawQuery, table);
  const names = isAggregate ? new Set([...reserved, ...AGGREGATE_PARAMETERS]) : reserved;
  const { filter, parameters } = parseQuery(rawQuery, { table, limits, reserved: names, view });
  const aggregate = isAggregate ? parseAggregate(parameters, { table, limits, view }) : undefined;
  const sort = aggregate?.sort ?? parseSort(parameters.get('sort'), table, view);
  const select = parameters.get('select');
  const cursor = parameters.get('cursor');
  const query: { -readonly [Member in keyof ListQuery]: ListQuery[Member] } = {
    sort,
    limit:
      aggregate !== undefined && !parameters.has('limit') ? limits.groups : parseLimit(parameters.get('limit'), limits),
    offset: parseOffset(parameters.get('offset')),
    count: parseCount(parameters.get('count')),
    related: NO_TABLES,
    dependencies: NO_TABLES,
    others: othersOf(parameters),
    given: new Set([...parameters.keys()].filter((name) => LIST_PARAMETERS.has(name))),
  };
  if (aggregate !== undefined) query.aggregate = aggregate;
  const sees = view?.of(table)?.filter;
  if (filter !== undefined) query.filter = view === undefined ? filter : restrictFilter(filter, view);
  if (sees !== undefined) query.sees = sees;
  if (select !== undefined) query.select = parseSelect(select, table, view);
  else if (view?.of(table) !== undefined) query.select = wholeOf(table, view);
  if (cursor !== undefined) {
    if (parameters.has('offset')) throw makeQueryError('cursor', 'a cursor and an offset cannot be combined');
    query.cursor = Object.freeze(parseCursor(cursor, totalOrder(sort, table)));
  }
  query.related = relatedTables(query);
  query.dependencies = dependenciesOf(query);
  return Object.freeze(query);
}

/** A request with the parameter. Its other parameters are fields elsewhere, which a table may have. */
const AGGREGATE = /(?:^|&)aggregate=(?!=)/;

const OF_AGGREGATE = /(?:^|&)(group|having)=(?!=)/;
const EXAMPLES: Readonly<Record<string, string>> = {
  group: 'aggregate=count&group=',
  having: 'aggregate=count&having=count=gt=1',
};

/** Throws INVALID_QUERY for a parameter of `aggregate` without it, unless a field has its name. */
function refuseAlone(rawQuery: string, { fields }: TablePlan): void {
  const name = OF_AGGREGATE.exec(rawQuery)?.[1];
  if (name === undefined || fields.some((field) => field.name === name)) return;
  const field = fields.find(({ hidden, primaryKey }) => !hidden && !primaryKey) ?? fields[0];
  throw makeQueryError(name, `needs aggregate, as in ${EXAMPLES[name]}${name === 'group' ? field?.name : ''}`);
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
  for (const [name, value] of parameters)
    if (!LIST_PARAMETERS.has(name) && !AGGREGATE_PARAMETERS.has(name)) others.set(name, value);
  return others;
}

const DIGITS = /^\d{1,15}$/;

function parseLimit(text: string | undefined, limits: Limits): number {
  if (text === undefined) return limits.pageDefault;
  const limit = DIGITS.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > limits.pageMax) {
    throw makeQueryError('limit', `expected an integer from 1 to ${limits.pageMax}, found ${show(text)}`);
  }
  return limit;
}

function parseOffset(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!DIGITS.test(text)) {
    throw makeQueryError('offset', `expected an integer from 0, found ${show(text)}`);
  }
  return Number(text);
}

function parseCount(text: string | undefined): boolean {
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw makeQueryError('count', `expected true or false, found ${show(text)}`);
}

/** Plan by which a database finds the records of a list. */
export interface QueryPlan {
  /** Steps in the words of the database. */
  readonly steps: readonly string[];
  /** Names of the indexes that are used, as the database has them. */
  readonly indexes: readonly string[];
  /** True when every record is read, or all are sorted: `limits.scan` then limits the size of the table. */
  readonly scans: boolean;
}
