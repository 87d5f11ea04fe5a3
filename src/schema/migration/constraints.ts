import { describeConstraints, isTightened } from '../constraints/compare.ts';
import type { FieldPlan, TablePlan } from '../plan.ts';
import type { MigrationStep } from './diff.ts';
import type { StoredTable } from './stored.ts';

/** Steps after which the values of a field are others than those that were checked. */
export const CHANGING: ReadonlySet<MigrationStep['type']> = new Set([
  'add-column',
  'add-required-column',
  'change-type',
  'recompute',
  'make-required',
]);

/**
 * Returns the steps that check the stored records against constraints and rules which they have not been checked against.
 * `steps` are those of the table's columns.
 */
export function constraintSteps(
  old: StoredTable,
  table: TablePlan,
  steps: readonly MigrationStep[],
): readonly MigrationStep[] {
  const changed = new Set(
    steps.flatMap((step) => ('field' in step && CHANGING.has(step.type) ? [step.field.name] : [])),
  );
  const isChanged = (name: string) => changed.has(name);
  const columns = new Map(old.columns.map((column) => [column.name.toLowerCase(), column]));
  const stored = `${table.database}.${table.table}`;
  const base = { table, destructive: false } as const;
  const ofFields = table.fields.flatMap((field): MigrationStep[] => {
    const now = describeConstraints(field);
    const column = columns.get(field.name.toLowerCase());
    if (now === undefined || (column === undefined && field.computed === undefined)) return [];
    const isNew = isTightened(column?.constraints, now) || isChanged(field.name) || usesOf(field).some(isChanged);
    if (!isNew) return [];
    const sentence = `require the constraint of ${stored}.${field.name}: possible only while every record meets it`;
    return [{ ...base, type: 'check-constraint', field, sentence }];
  });
  const known = new Set(old.checks);
  const ofRecords = table.checks
    .filter(({ signature, uses }) => !known.has(signature) || uses.some(isChanged))
    .map((check): MigrationStep => {
      const sentence = `require "${check.rule}" of ${stored}: possible only while every record meets it`;
      return { ...base, type: 'check-rule', check, sentence };
    });
  return [...ofFields, ...ofRecords];
}

function usesOf({ computed }: FieldPlan): readonly string[] {
  return computed?.uses ?? [];
}
