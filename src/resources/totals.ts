import type { TotalsQuery } from '../hub/aggregates/group-state.ts';
import { dependentPart } from '../hub/dependencies/dependency.ts';
import {
  type AggregateQuery,
  both,
  comparePositions,
  compilePredicate,
  countOf,
  type Filter,
  type ListQuery,
  positionReader,
  type SortValue,
} from '../query/index.ts';
import type { FieldPlan, TablePlan } from '../schema/plan.ts';
import { makeWindow, orderKey, selectionKey } from './window-query.ts';

/** Makes the query of live totals from that of a list. */
export function makeTotals(query: ListQuery, table: TablePlan): TotalsQuery {
  const { filter, sees, offset, limit } = query;
  const aggregate = aggregateOf(query);
  const { columns, group, fields, having, sort } = aggregate;
  const names = [...columns.map(({ result }) => result.name), ...group.map(({ name }) => name)];
  const matches = filter && compilePredicate(filter);
  const isSeen = sees && compilePredicate(sees);
  const meets = having && compilePredicate(having);
  return {
    key: selectionKey([filter, sees, names, group.length, having, orderKey(sort), limit, offset]),
    list: query,
    aggregate,
    offset,
    limit,
    dependent: dependentPart(table, { filters: [filter, sees], select: undefined }),
    has: (record, test) => (isSeen?.(record, test) ?? true) && (matches?.(record, test) ?? true),
    keyOf: positionReader(inOrder(group)),
    valuesOf: positionReader(inOrder(fields.map(({ field }) => field))),
    positionOf: positionReader(sort),
    compare: comparePositions(sort),
    isShown: (result) => meets?.(result) ?? true,
    extreme: (key, index, end) => makeWindow(extremeQuery(query, { key, index, end }), table),
  };
}

/** Makes the query of the number of records that a list with the same conditions has. */
export function makeCount({ select: _, cursor: _from, ...query }: ListQuery, table: TablePlan): TotalsQuery {
  return makeTotals({ ...query, aggregate: countOf(table), sort: [], offset: 0, limit: 1 }, table);
}

/** End of the values of a totalled field, given by its number, in a group. */
interface GroupEnd {
  readonly key: readonly SortValue[];
  readonly index: number;
  readonly end: 'min' | 'max';
}

/** Query of the record with the smallest, or the greatest, value in a group. */
function extremeQuery(query: ListQuery, { key, index, end }: GroupEnd): ListQuery {
  const { aggregate: _, select: _fields, cursor: _from, ...rest } = query;
  const { group, fields } = aggregateOf(query);
  const { field } = fields[index] as AggregateQuery['fields'][number];
  const conditions = group.map((each, at) => isValue(each, key[at] as SortValue));
  const present: Filter = { type: 'not', item: isValue(field, null) };
  const filter = [...conditions, present].reduce<Filter | undefined>(both, query.filter) as Filter;
  return { ...rest, filter, sort: [{ field, descending: end === 'max' }], offset: 0, limit: 1, count: false };
}

function isValue(field: FieldPlan, value: SortValue): Filter {
  const path = { name: field.name, fields: [field] as const };
  if (value === null) return { type: 'null', path };
  const isBoolean = field.type.kind === 'scalar' && field.type.name === 'Boolean';
  return { type: 'compare', path, op: 'eq', value: isBoolean ? value === 1 : value };
}

function inOrder(fields: readonly FieldPlan[]) {
  return fields.map((field) => ({ field, descending: false }));
}

function aggregateOf({ aggregate }: ListQuery): AggregateQuery {
  if (aggregate === undefined) throw new Error('The query has no aggregate.');
  return aggregate;
}
