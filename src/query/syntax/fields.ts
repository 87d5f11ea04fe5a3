import type { FieldPlan, RelationPlan, TablePlan } from '../../schema/plan.ts';

/** Returns fields by name. A Map, so that `constructor` is not a field. */
export function mapByName(fields: readonly FieldPlan[]): ReadonlyMap<string, FieldPlan> {
  return new Map(fields.map((field) => [field.name, field]));
}

export function fieldNamed(fields: readonly FieldPlan[], name: string): FieldPlan | undefined {
  return fields.find((field) => field.name === name);
}

export function relationNamed(table: TablePlan, name: string): RelationPlan | undefined {
  return table.relations.find((relation) => relation.name === name);
}
