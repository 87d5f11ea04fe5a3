import type { FieldPlan, JsonValue } from '../schema/plan.ts';
import { compareText } from './compare.ts';
import type { Position, SortValue } from './cursor.ts';
import type { SortKey } from './list-query.ts';
import type { JsonRecord } from './predicate.ts';

/** Compares two stored values of one field in the order of the store: null first, numbers exactly, text by code points. */
export function compareSortValues(a: SortValue, b: SortValue): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  // Numbers and BigInts compare by their exact values.
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Makes the comparison of positions in this order, which is the order of the store's lists. */
export function comparePositions(order: readonly SortKey[]): (a: Position, b: Position) => number {
  const signs = order.map(({ descending }) => (descending ? -1 : 1));
  return (a, b) => {
    for (let index = 0; index < signs.length; index++) {
      const difference = compareSortValues(a[index] as SortValue, b[index] as SortValue);
      if (difference !== 0) return difference * (signs[index] as number);
    }
    return 0;
  };
}

/** Makes the function that reads the position of a record, as the log has it, in this order. */
export function positionReader(order: readonly SortKey[]): (record: JsonRecord) => Position {
  const readers = order.map(({ field }) => [field.name, isLong(field)] as const);
  return (record) => readers.map(([name, long]) => toSortValue(record[name], long));
}

function isLong({ type }: FieldPlan): boolean {
  return type.kind === 'scalar' && type.name === 'Long';
}

/** Returns the stored form of a value: a Boolean is 0 or 1, and a Long beyond ±(2^53−1), a string in JSON, a BigInt. */
function toSortValue(value: JsonValue | undefined, long: boolean): SortValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string') return long ? BigInt(value) : value;
  return typeof value === 'number' ? value : null;
}
