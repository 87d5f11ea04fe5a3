import type { FieldPlan, RelationPlan, TablePlan } from '../../schema/plan.ts';

const maps = new WeakMap<readonly FieldPlan[], ReadonlyMap<string, FieldPlan>>();

/** Fields by name, made once for each list of a plan. A Map, so that `constructor` is not a field. */
export function fieldsByName(fields: readonly FieldPlan[]): ReadonlyMap<string, FieldPlan> {
  let map = maps.get(fields);
  if (map === undefined) {
    map = new Map(fields.map((field) => [field.name, field]));
    maps.set(fields, map);
  }
  return map;
}

const visible = new WeakMap<TablePlan, readonly FieldPlan[]>();

/** Fields that are sent to clients and that a query may name: all but the hidden ones. One list for each table. */
export function visibleFields(table: TablePlan): readonly FieldPlan[] {
  let fields = visible.get(table);
  if (fields === undefined) {
    fields = table.fields.some(({ hidden }) => hidden) ? table.fields.filter(({ hidden }) => !hidden) : table.fields;
    visible.set(table, fields);
  }
  return fields;
}

export function relationNamed(table: TablePlan, name: string): RelationPlan | undefined {
  return table.relations.find((relation) => relation.name === name);
}
