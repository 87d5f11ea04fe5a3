import type { FieldPlan } from '../schema/plan.ts';

const maps = new WeakMap<readonly FieldPlan[], ReadonlyMap<string, FieldPlan>>();

/** Fields by name, made once for each list of a plan. A Map, so that `constructor` is no field. */
export function fieldsByName(fields: readonly FieldPlan[]): ReadonlyMap<string, FieldPlan> {
  let map = maps.get(fields);
  if (map === undefined) {
    map = new Map(fields.map((field) => [field.name, field]));
    maps.set(fields, map);
  }
  return map;
}
