import {
  type AggregateQuery,
  type GroupTotals,
  type ListQuery,
  noTotals,
  type Position,
  type SortValue,
  sumsWhole,
  toUnits,
} from '../../query/index.ts';
import type { ChangedRecord } from '../change-view.ts';
import type { RecordChange, RecordCondition } from '../past/past-states.ts';
import type { WindowQuery } from '../windows/held-records.ts';
import { Extreme } from './extreme.ts';

/** Query of live totals: the results that a list with the same query returns. The condition is that of the records. */
export interface TotalsQuery extends RecordCondition {
  /** Equal for totals with the same results. */
  readonly key: string;
  /** Query of the totals for the store, regardless of `having`, order and page. */
  readonly list: ListQuery;
  readonly aggregate: AggregateQuery;
  readonly offset: number;
  readonly limit: number;
  /** Stored values of the fields of `group`. */
  keyOf(record: ChangedRecord): Position;
  /** Stored values of the totalled fields. */
  valuesOf(record: ChangedRecord): Position;
  /** Place of a result in the order, which is total. */
  positionOf(result: ChangedRecord): Position;
  compare(a: Position, b: Position): number;
  /** True for results that meet `having`. */
  isShown(result: ChangedRecord): boolean;
  /** Returns the window that has the record of a group with the smallest, or the greatest, value of a totalled field. */
  extreme(key: readonly SortValue[], index: number, end: 'min' | 'max'): WindowQuery;
}

/** Result of a group, as clients have it. */
export interface ResultRow {
  /** Text that names the group: a JSON array of its values. */
  readonly id: string;
  readonly json: string;
  readonly result: ChangedRecord;
  readonly position: readonly SortValue[];
}

/** Smallest and greatest value of one totalled field. */
interface Ends {
  readonly min: Extreme;
  readonly max: Extreme;
}

/** Totals of the records of one group, kept with each change: counts and sums exactly, whatever the order of the changes. */
export class GroupState {
  readonly id: string;
  readonly totals: GroupTotals;
  /** Ends of each totalled field; undefined where none are needed. */
  readonly #ends: readonly (Ends | undefined)[];
  readonly #query: TotalsQuery;
  /** Result that clients have; undefined where it does not meet `having`. */
  row: ResultRow | undefined;

  constructor(query: TotalsQuery, id: string, totals: GroupTotals, ends?: readonly (Ends | undefined)[]) {
    this.#query = query;
    this.id = id;
    this.totals = totals;
    this.#ends =
      ends ??
      query.aggregate.fields.map((field, index) => {
        const { min = null, max = null } = totals.fields[index] ?? {};
        return field.ends ? { min: new Extreme('min', min), max: new Extreme('max', max) } : undefined;
      });
  }

  copy(): GroupState {
    const { key, count, fields } = this.totals;
    const totals = { key, count, fields: fields.map((field) => ({ ...field })) };
    const ends = this.#ends.map((each) => each && { min: each.min.copy(), max: each.max.copy() });
    const copy = new GroupState(this.#query, this.id, totals, ends);
    copy.row = this.row;
    return copy;
  }

  /** Applies a change of a record that the group has or had. */
  change({ id, before, after }: RecordChange): void {
    const { totals } = this;
    const { fields } = this.#query.aggregate;
    totals.count += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    const from = before && this.#query.valuesOf(before);
    const to = after && this.#query.valuesOf(after);
    for (let index = 0; index < fields.length; index++) {
      const old = from?.[index] ?? null;
      const value = to?.[index] ?? null;
      if (old === value && before !== undefined && after !== undefined) continue;
      const field = totals.fields[index] as GroupTotals['fields'][number];
      field.count += (value === null ? 0 : 1) - (old === null ? 0 : 1);
      const { sum, field: plan } = fields[index] as AggregateQuery['fields'][number];
      if (sum) field.sum += unitsOf(value, sumsWhole(plan)) - unitsOf(old, sumsWhole(plan));
      const ends = this.#ends[index];
      if (ends === undefined) continue;
      const change = { id, before, after, from: old, to: value };
      ends.min.change(change, field.count);
      ends.max.change(change, field.count);
      field.min = ends.min.value;
      field.max = ends.max.value;
    }
  }

  /** Ends that have to be read, each with the number of its field. */
  stale(): readonly { readonly index: number; readonly extreme: Extreme }[] {
    return this.#ends.flatMap((ends, index) =>
      ends === undefined
        ? []
        : [ends.min, ends.max].filter(({ isStale }) => isStale).map((extreme) => ({ index, extreme })),
    );
  }

  /** Takes over the value of an end that was read. */
  settle(index: number, { end, value }: Extreme): void {
    const field = this.totals.fields[index];
    if (field !== undefined) field[end] = value;
  }
}

/** Returns an empty group. */
export function emptyGroup(query: TotalsQuery, id: string, key: readonly SortValue[]): GroupState {
  return new GroupState(query, id, noTotals(query.aggregate, key));
}

function unitsOf(value: SortValue, isWhole: boolean): bigint {
  if (value === null || typeof value === 'string') return 0n;
  return isWhole ? BigInt(value) : toUnits(Number(value));
}
