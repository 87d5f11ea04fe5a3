import {
  type AggregateQuery,
  compareSortValues,
  compilePredicate,
  type GroupTotals,
  type JsonRecord,
  type ListQuery,
  listResults,
  positionReader,
  type SortValue,
  sumsWhole,
  toUnits,
} from '../../src/query/index.ts';
import { FoldedPage, type Json } from './folded-page.ts';
import type { PropertyHarness } from './harness.ts';
import type { Line } from './sink.ts';
import { worldAt } from './world.ts';

/** Client of live totals, or of the number of records (`count=true`). */
export class TotalsPage extends FoldedPage {
  /** Frames that said nothing new. */
  idle = 0;
  // Declared only: a frame may set it while the constructor subscribes.
  declare total: unknown;

  protected apply({ type, id, data, at, total }: Line): void {
    if (total !== undefined) this.total = total;
    if ((type !== 'Update' && type !== 'Delete') || this.query.aggregate === undefined) return;
    const before = this.take(id);
    if (type === 'Delete') {
      if (before === undefined) this.wrongs.push(`Delete of ${id}, which is not there`);
      return;
    }
    if (JSON.stringify(before?.record) === JSON.stringify(data)) this.idle++;
    this.insert(at, { id, record: data as Json });
  }

  protected compare(seq: number, type: string): void {
    const records = recordsAt(this.rig, seq, this.query);
    const { aggregate, offset, limit } = this.query;
    const wanted =
      aggregate === undefined
        ? records.length
        : listResults(aggregate, groupsOf(records, aggregate)).slice(offset, offset + limit);
    const found = JSON.stringify(aggregate === undefined ? this.total : this.list);
    if (found !== JSON.stringify(wanted)) {
      this.wrongs.push(`${this.url} at ${seq} (${type}): ${found} is not ${JSON.stringify(wanted)}`);
    }
  }
}

function recordsAt(rig: PropertyHarness, seq: number, { filter, sees }: ListQuery): JsonRecord[] {
  const tests = [filter, sees].flatMap((one) => (one === undefined ? [] : [compilePredicate(one)]));
  const world = worldAt(rig, seq);
  const table = rig.table('Item');
  const records = [...world.of(table).values()] as JsonRecord[];
  return records.filter((record) => tests.every((holds) => holds(record, world.test(table))));
}

/** Totals of records, each time from all of them. */
function groupsOf(records: readonly JsonRecord[], { group, fields }: AggregateQuery): GroupTotals[] {
  const inOrder = (list: readonly { readonly field: AggregateQuery['group'][number] }[]) =>
    positionReader(list.map(({ field }) => ({ field, descending: false })));
  const keyOf = inOrder(group.map((field) => ({ field })));
  const valuesOf = inOrder(fields);
  const byKey = new Map<string, { key: readonly SortValue[]; values: (readonly SortValue[])[] }>();
  if (group.length === 0) byKey.set('', { key: [], values: [] });
  for (const record of records) {
    const key = keyOf(record);
    const name = key.map(String).join('|');
    const known = byKey.get(name) ?? { key, values: [] };
    known.values.push(valuesOf(record));
    byKey.set(name, known);
  }
  return [...byKey.values()].map(({ key, values }) => ({
    key,
    count: values.length,
    fields: fields.map(({ field, sum, ends }, index) => {
      const present = values.flatMap((each) => each[index] ?? []);
      const sorted = ends ? present.toSorted(compareSortValues) : [];
      const units = sum ? present.map((value) => (sumsWhole(field) ? BigInt(value) : toUnits(Number(value)))) : [];
      return {
        count: present.length,
        sum: units.reduce((left, right) => left + right, 0n),
        min: sorted[0] ?? null,
        max: sorted.at(-1) ?? null,
      };
    }),
  }));
}
