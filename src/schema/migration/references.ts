import type { Plan } from '../plan.ts';
import { CHANGING } from './constraints.ts';
import type { MigrationStep } from './diff.ts';
import type { SchemaMatches } from './renames.ts';
import { referenceKey } from './stored.ts';

/**
 * Returns the steps that check stored keys whose records have not been looked for, or whose values change. `steps` are those
 * of all tables.
 */
export function referenceSteps(
  { tables }: SchemaMatches,
  plan: Plan,
  steps: readonly MigrationStep[],
): readonly MigrationStep[] {
  const changed = new Set(steps.flatMap((step) => ('field' in step && CHANGING.has(step.type) ? [step.field] : [])));
  return plan.tables.flatMap((table) => {
    const old = tables.get(table)?.now;
    if (old === undefined) return [];
    const known = new Set(old.references);
    const open = table.references.filter((reference) => {
      const { field, target } = reference;
      return !known.has(referenceKey(reference)) || changed.has(field) || changed.has(target.primaryKey);
    });
    return open.map((reference): MigrationStep => {
      const { field, target } = reference;
      const name = `${table.database}.${table.table}.${field.name}`;
      const sentence = `check the keys in ${name}: possible only while each is that of a record of ${target.database}.${target.table}`;
      return { type: 'check-reference', table, field, reference, destructive: false, sentence };
    });
  });
}
