import { compilePredicate, type ListQuery } from '../../src/query/index.ts';
import type { TablePlan } from '../../src/schema/plan.ts';
import { FoldedPage, type Json } from './folded-page.ts';
import type { Line } from './sink.ts';
import { type World, worldAt } from './world.ts';

/** Client of a window. */
export class WindowPage extends FoldedPage {
  protected apply({ type, id, data, changed, at }: Line): void {
    if (type !== 'Update' && type !== 'Delete') return;
    const before = this.take(id);
    if (type === 'Delete') return;
    const record = changed === undefined ? (data as Json) : { ...before?.record, ...(data as Json) };
    this.insert(at, { id, record });
  }

  protected compare(seq: number, type: string): void {
    const wanted = listAt(worldAt(this.rig, seq), { query: this.query, table: this.rig.table('Item') });
    const found = JSON.stringify(this.list);
    if (found !== JSON.stringify(wanted)) {
      this.wrongs.push(`${this.url} at ${seq} (${type}): ${found} is not ${JSON.stringify(wanted)}`);
    }
  }
}

/** Returns what a list would have returned at a position. */
export function listAt(
  world: World,
  { query, table }: { readonly query: ListQuery; readonly table: TablePlan },
): Json[] {
  const { filter, sees, sort, offset, limit, cursor, select } = query;
  const tests = [filter, sees].flatMap((one) => (one === undefined ? [] : [compilePredicate(one)]));
  const isKey = ({ field }: { readonly field: unknown }) => field === table.primaryKey;
  // Nothing is equal in its key.
  const order = [...sort, { field: table.primaryKey, descending: false }].filter(
    (_, index, all) => !all.slice(0, index).some(isKey),
  );
  const compare = (a: Json, b: Json): number => {
    for (const { field, descending } of order) {
      const difference = compareValues(a[field.name], b[field.name]);
      if (difference !== 0) return descending ? -difference : difference;
    }
    return 0;
  };
  const end = cursor && Object.fromEntries(cursor.map((value, index) => [order[index]?.field.name, value]));
  const fields = (select?.fields ?? table.visibleFields).map(({ name }) => name);
  return [...world.of(table).values()]
    .filter((record) => tests.every((holds) => holds(record as never, world.test(table))))
    .filter((record) => end === undefined || compare(record, end as Json) > 0)
    .sort(compare)
    .slice(offset, offset + limit)
    .map((record) => ({
      ...Object.fromEntries(fields.map((name) => [name, record[name] ?? null])),
      ...Object.fromEntries(
        (select?.relations ?? []).map((one) => [one.relation.name, world.shown(one, table, record)]),
      ),
    }));
}

function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : -1;
  if (b === null || b === undefined) return 1;
  if (typeof a === 'string' && typeof b === 'string' && !isDigits(a) && !isDigits(b)) {
    return Buffer.compare(Buffer.from(a), Buffer.from(b));
  }
  const [x, y] = [exact(a), exact(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** True for a Long beyond what a number has: the texts of the tests are never so long. */
function isDigits(text: string): boolean {
  return /^-?\d{16,}$/.test(text);
}

function exact(value: unknown): number | bigint {
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'string' ? BigInt(value) : (value as number);
}
