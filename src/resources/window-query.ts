import { dependentPart } from '../hub/dependencies/dependency.ts';
import type { WindowQuery } from '../hub/windows/held-records.ts';
import {
  comparePositions,
  compilePredicate,
  type ListQuery,
  positionReader,
  type SortKey,
  totalOrder,
} from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';

/** Makes the window of a list: the records that the query returns. */
export function makeWindow(query: ListQuery, table: TablePlan): WindowQuery {
  const { filter, sees, sort, limit, offset, cursor } = query;
  const order = totalOrder(sort, table);
  const compare = comparePositions(order);
  const positionOf = positionReader(order);
  const matches = filter && compilePredicate(filter);
  const isSeen = sees && compilePredicate(sees);
  const lists = new Map<number, ListQuery>();
  return {
    key: selectionKey([filter, sees, orderKey(order), limit, offset, cursor]),
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
    dependent: dependentPart(table, { filters: [filter, sees], select: undefined }),
    has: (record, test) =>
      (isSeen?.(record, test) ?? true) &&
      (matches?.(record, test) ?? true) &&
      (cursor === undefined || compare(positionOf(record), cursor) > 0),
    positionOf,
    compare,
  };
}

/** Text that is equal for equal parts of queries. Plans refer to each other and are large: a path is identified by its name. */
export function selectionKey(parts: readonly unknown[]): string {
  return JSON.stringify(parts, (key, value: unknown) => {
    if (key === 'path' || key === 'relation') return (value as { name: string }).name;
    return typeof value === 'bigint' ? `${value}n` : value;
  });
}

/** Names of the fields of an order. */
export function orderKey(order: readonly SortKey[]): readonly string[] {
  return order.map(({ field, descending }) => `${descending ? '-' : ''}${field.name}`);
}
