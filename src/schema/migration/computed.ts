import type { FieldPlan, TablePlan } from '../plan.ts';
import type { MigrationStep } from './diff.ts';
import { describeType, type StoredColumn } from './stored.ts';
import { compareTypes } from './types.ts';

/** True when the stored values of a computed field differ from the results of its expression. */
export function isOutdated(old: StoredColumn, { computed, type }: FieldPlan): boolean {
  if (computed === undefined) return false;
  return old.computed !== computed.signature || compareTypes(old.type, describeType(type)) !== 'same';
}

/** Destructive when the field was not computed so far: clients wrote the values that are replaced. */
export function recomputeSteps(old: StoredColumn, table: TablePlan, field: FieldPlan): MigrationStep[] {
  if (!isOutdated(old, field)) return [];
  const column = `${table.database}.${table.table}.${field.name}`;
  const destructive = old.computed === undefined;
  const sentence = destructive
    ? `compute ${column} in every record, in place of what was written there`
    : `compute ${column} again in every record`;
  return [{ type: 'recompute', table, field, destructive, sentence }];
}
