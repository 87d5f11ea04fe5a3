import type { FieldPlan, TablePlan } from '../plan.ts';
import type { MigrationStep } from './diff.ts';
import { describeType, type StoredColumn } from './stored.ts';
import { compareTypes } from './types.ts';

/** Whether the stored values of a computed field are not what its expression gives. */
export function isOutdated(old: StoredColumn, { computed, type }: FieldPlan): boolean {
  if (computed === undefined) return false;
  return old.computed !== computed.signature || compareTypes(old.type, describeType(type)) !== 'same';
}

/** Loses what was written there, when the field was not computed so far. */
export function recomputeSteps(old: StoredColumn, table: TablePlan, field: FieldPlan): MigrationStep[] {
  if (!isOutdated(old, field)) return [];
  const column = `${table.database}.${table.table}.${field.name}`;
  const destructive = old.computed === undefined;
  const sentence = destructive
    ? `compute ${column} in every record, in place of what was written there`
    : `compute ${column} anew in every record`;
  return [{ type: 'recompute', table, field, destructive, sentence }];
}
