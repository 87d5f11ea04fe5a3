import type { FieldPlan, JsonValue } from '../../schema/plan.ts';
import type { SortValue } from '../cursor.ts';
import { comparePositions, positionReader } from '../order.ts';
import { compilePredicate, type JsonRecord } from '../predicate.ts';
import { type AggregateColumn, type AggregateQuery, sumsWhole } from './aggregate.ts';
import { fromUnits, nearestDouble } from './exact.ts';

/** Totals of the values of one field in a group. */
export interface FieldTotals {
  /** Number of values that are not null. */
  count: number;
  /** Exact sum: whole, or of a Float in units of 2^−1074. 0 where no sum is needed. */
  sum: bigint;
  /** Null without a value, and where no ends are needed. */
  min: SortValue;
  max: SortValue;
}

/** Totals of the records of a group, with stored values. */
export interface GroupTotals {
  /** Values of the fields in `group`. */
  readonly key: readonly SortValue[];
  /** Number of records. */
  count: number;
  /** Totals of each of the query's fields. */
  readonly fields: readonly FieldTotals[];
}

/** Returns the totals of no records. */
export function noTotals({ fields }: AggregateQuery, key: readonly SortValue[]): GroupTotals {
  return { key, count: 0, fields: fields.map(() => ({ count: 0, sum: 0n, min: null, max: null })) };
}

/** Returns the record that a client receives for a group. */
export function resultOf(query: AggregateQuery, totals: GroupTotals): JsonRecord {
  const result: Record<string, JsonValue> = {};
  query.group.forEach((field, index) => {
    result[field.name] = toJson(field, totals.key[index] as SortValue);
  });
  for (const column of query.columns) result[column.result.name] = columnValue(column, query, totals);
  return result;
}

function columnValue(
  { function: name, field, result }: AggregateColumn,
  query: AggregateQuery,
  group: GroupTotals,
): JsonValue {
  if (field === undefined) return group.count;
  const totals = group.fields[query.fields.findIndex((it) => it.field === field)] as FieldTotals;
  const { count, sum } = totals;
  if (name === 'count') return count;
  if (count === 0) return null;
  if (name === 'min' || name === 'max') return toJson(result, totals[name]);
  if (!sumsWhole(field)) return finite(fromUnits(sum, name === 'avg' ? count : 1));
  return name === 'avg' ? nearestDouble(sum, BigInt(count)) : wholeToJson(sum);
}

/** A sum that no double holds is null, as JSON has no such number. */
function finite(value: number): JsonValue {
  return Number.isFinite(value) ? value : null;
}

/** A whole number outside ±(2^53−1) is a string of digits in JSON, since most readers would round it. */
function wholeToJson(value: bigint | number): JsonValue {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function toJson({ type }: FieldPlan, value: SortValue): JsonValue {
  if (value === null) return null;
  if (type.kind === 'scalar' && type.name === 'Boolean') return Number(value) === 1;
  if (type.kind === 'scalar' && type.name === 'Float') return Number(value);
  return typeof value === 'string' ? value : wholeToJson(value);
}

/** Returns the results of a list: those that meet `having`, in order. */
export function listResults(query: AggregateQuery, groups: readonly GroupTotals[]): readonly JsonRecord[] {
  const { having, sort } = query;
  const holds = having && compilePredicate(having);
  const compare = comparePositions(sort);
  const positionOf = positionReader(sort);
  return groups
    .map((group) => resultOf(query, group))
    .filter((result) => holds?.(result) ?? true)
    .map((result) => ({ result, position: positionOf(result) }))
    .sort((a, b) => compare(a.position, b.position))
    .map(({ result }) => result);
}
