import type { FieldPlan, Plan } from '../plan.ts';
import type { MigrationStep } from './diff.ts';
import { matchSchema } from './renames.ts';
import { describeTable, type StoredColumn, type StoredSchema, type StoredTable } from './stored.ts';

/**
 * Pure: returns what keeps servers with the stored schema from working beside one with the plan, in sentences. None where
 * the plan only adds tables, fields and indexes, of which they need to know nothing.
 */
export function conflictsWithRunning(
  stored: StoredSchema,
  plan: Plan,
  steps: readonly MigrationStep[],
): readonly string[] {
  const conflicts = steps.filter((step) => !isAddition(step)).map(({ sentence }) => sentence);
  const tables = new Set(steps.flatMap((step) => ('table' in step && !isAddition(step) ? [step.table] : [])));
  for (const [table, { stored: old }] of matchSchema(stored, plan).tables) {
    if (tables.has(table) || isExtended(old, describeTable(table))) continue;
    conflicts.push(`change rules, constraints or references of ${old.database}.${old.table}`);
  }
  return conflicts;
}

function isAddition(step: MigrationStep): boolean {
  switch (step.type) {
    case 'create-table':
      // Servers that do not know the table would delete records that it refers to.
      return step.table.references.length === 0;
    case 'add-column':
      return isPlain(step.field) && (step.fill === 'null' || step.fill === 'default');
    case 'create-index':
      return true;
    case 'create-composite-index':
      return !step.index.unique;
    case 'unused-name':
      return true;
    case 'keep-table':
      return step.stored.references === undefined;
    default:
      return false;
  }
}

/** True for a field whose column the database fills in when another server creates a record. */
function isPlain({ unique, fulltext, stamp, computed }: FieldPlan): boolean {
  return !unique && !fulltext && stamp === undefined && computed === undefined;
}

/** True when the table is as it was, but for more columns and indexes. */
function isExtended(old: StoredTable, now: StoredTable): boolean {
  return JSON.stringify(commonOf(old, old)) === JSON.stringify(commonOf(now, old));
}

function commonOf(table: StoredTable, old: StoredTable): unknown {
  const { compositeIndexes: _, columns, ...rest } = table;
  const names = old.columns.map(({ name }) => name);
  const kept = columns.filter(({ name }) => names.includes(name)).map(withoutIndex);
  return [rest, kept.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))];
}

function withoutIndex({
  indexed: _,
  hasDefault: __,
  ...column
}: StoredColumn): Omit<StoredColumn, 'indexed' | 'hasDefault'> {
  return column;
}
