import { dependentPart, equalOf } from '../hub/dependencies/dependency.ts';
import type { Selection } from '../hub/selection.ts';
import type { WindowQuery } from '../hub/windows/held-records.ts';
import {
  type ConditionalField,
  comparePositions,
  compilePredicate,
  type ListQuery,
  type Predicate,
  positionReader,
  predicateOf,
  type SelectedRelation,
  totalOrder,
} from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { RelatedReader } from '../store/store.ts';
import { makeRelatedReader } from './relations.ts';

interface SelectionScope {
  readonly table: TablePlan;
  readonly store: Pick<RelatedReader, 'related'>;
  readonly delta?: boolean;
  /** True to follow only the records that a list with this query returns. */
  readonly isWindow?: boolean;
}

/** Makes the part of a query by which the hub chooses and shapes frames. */
export function makeSelection(query: ListQuery, scope: SelectionScope): Selection {
  const { table, store, delta = false, isWindow = false } = scope;
  const { filter, sees, select } = query;
  if (filter === undefined && sees === undefined && select === undefined && !delta && !isWindow) return { key: '' };
  const fields = select?.fields.map(({ name }) => name);
  const relations = select?.relations ?? [];
  const equal = (filter && equalOf(filter)) ?? (sees && equalOf(sees));
  const masked = select?.masked ?? [];
  const dependent = dependentPart(table, { filters: [filter, sees], select });
  const window = isWindow ? makeWindow(query, table) : undefined;
  return {
    key: selectionKey([filter, sees, fields, masked.map(conditionKey), relations.map(relationKey), delta, window?.key]),
    ...(filter === undefined ? {} : { matches: compilePredicate(filter) }),
    ...(sees === undefined ? {} : { sees: compilePredicate(sees) }),
    ...(masked.length === 0 ? {} : { masked: new Map(masked.map(toMask)) }),
    ...(equal === undefined ? {} : { equal: { field: equal.field.name, value: equal.value } }),
    ...(fields === undefined ? {} : { fields }),
    ...(relations.length === 0 ? {} : { readRelated: makeRelatedReader(relations, table, store) }),
    ...(delta ? { delta } : {}),
    ...(dependent === undefined ? {} : { dependent }),
    ...(window === undefined ? {} : { window }),
  };
}

function makeWindow(query: ListQuery, table: TablePlan): WindowQuery {
  const { filter, sees, sort, limit, offset, cursor } = query;
  const order = totalOrder(sort, table);
  const names = order.map(({ field, descending }) => `${descending ? '-' : ''}${field.name}`);
  const compare = comparePositions(order);
  const positionOf = positionReader(order);
  const matches = filter && predicateOf(filter);
  const isSeen = sees && predicateOf(sees);
  const lists = new Map<number, ListQuery>();
  return {
    key: selectionKey([filter, sees, names, limit, offset, cursor]),
    offset,
    limit,
    first: (count) => {
      let list = lists.get(count);
      if (list === undefined) {
        // The number that is mostly asked for is asked for first.
        if (lists.size > 1) lists.delete([...lists.keys()][1] as number);
        list = Object.freeze({ ...query, offset: 0, limit: count, count: false });
        lists.set(count, list);
      }
      return list;
    },
    has: (record) =>
      (isSeen?.(record) ?? true) &&
      (matches?.(record) ?? true) &&
      (cursor === undefined || compare(positionOf(record), cursor) > 0),
    positionOf,
    compare,
  };
}

/** Plans refer to each other and are large: a path is identified by its name. */
function selectionKey(parts: readonly unknown[]): string {
  return JSON.stringify(parts, (key, value: unknown) => {
    if (key === 'path' || key === 'relation') return (value as { name: string }).name;
    return typeof value === 'bigint' ? `${value}n` : value;
  });
}

function conditionKey({ field, filter }: ConditionalField): unknown {
  return [field.name, filter];
}

function toMask({ field, filter }: ConditionalField): [string, Predicate] {
  return [field.name, compilePredicate(filter)];
}

function relationKey({ relation, select, filter }: SelectedRelation): string {
  const { fields, relations, masked = [] } = select;
  const names = [...fields.map(({ name }) => name), ...relations.map(relationKey)];
  const limits = filter === undefined && masked.length === 0 ? '' : selectionKey([filter, masked.map(conditionKey)]);
  return `${relation.name}{${names.join()}}${limits}`;
}
