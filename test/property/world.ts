import { compilePredicate, type RelatedTest, type SelectedRelation } from '../../src/query/index.ts';
import type { RelationPlan, TablePlan } from '../../src/schema/plan.ts';
import type { PropertyHarness } from './harness.ts';
import { type Json, stateAt } from './model.ts';

/** Records of all tables at one position, with their relations followed one by one. */
export class World {
  readonly #rig: PropertyHarness;
  readonly #seq: number;
  readonly #tables = new Map<TablePlan, ReadonlyMap<unknown, Json>>();

  constructor(rig: PropertyHarness, seq: number) {
    this.#rig = rig;
    this.#seq = seq;
  }

  of(table: TablePlan): ReadonlyMap<unknown, Json> {
    let records = this.#tables.get(table);
    if (records === undefined) {
      // The harness may have been restarted since: a table is known by its name.
      const history = this.#rig.history.filter((change) => change.table.name === table.name);
      records = stateAt(history, this.#seq).records;
      this.#tables.set(table, records);
    }
    return records;
  }

  related({ from, to, target }: RelationPlan, table: TablePlan, record: Json): Json[] {
    const others = [...this.of(target).values()];
    const keyOf = (row: Json, { primaryKey }: TablePlan) => row[primaryKey.name];
    const keys = (value: unknown): unknown[] =>
      [value].flat().filter((key) => key !== null && key !== undefined) as unknown[];
    if (from !== undefined)
      return keys(record[from.name]).flatMap((key) => others.filter((row) => keyOf(row, target) === key));
    return others.filter((row) => keys(row[to?.name ?? '']).includes(keyOf(record, table)));
  }

  test(table: TablePlan): RelatedTest {
    return ({ relation, item }, record) => {
      const holds = item && compilePredicate(item);
      const inner = this.test(relation.target);
      return this.related(relation, table, record).some((row) => holds?.(row as never, inner) ?? true);
    };
  }

  shown({ relation, select, filter }: SelectedRelation, table: TablePlan, record: Json): unknown {
    const { target, many } = relation;
    const isSeen = filter && compilePredicate(filter);
    const rows = this.related(relation, table, record)
      .filter((row) => isSeen?.(row as never, this.test(target)) ?? true)
      .map((row) => ({
        ...Object.fromEntries(select.fields.map(({ name }) => [name, row[name] ?? null])),
        ...Object.fromEntries(select.relations.map((one) => [one.relation.name, this.shown(one, target, row)])),
      }));
    return many
      ? rows.sort((one, other) => (String(Object.values(one)) < String(Object.values(other)) ? -1 : 1))
      : (rows[0] ?? null);
  }
}

/** Returns the records of a run at a position. */
export function worldAt(rig: PropertyHarness, seq: number): World {
  return new World(rig, seq);
}
