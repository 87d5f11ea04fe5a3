import type { FieldPlan, TablePlan } from '../plan.ts';
import type { MigrationStep } from './diff.ts';
import { renameType, type SchemaMatches, type TableMatch } from './renames.ts';
import type { StoredTable } from './stored.ts';

/** Returns the steps for the names of one stored table, its columns and the values in them. */
export function renameSteps(match: TableMatch, table: TablePlan): MigrationStep[] {
  const { stored, columns, isRenamed } = match;
  const base = { table, destructive: false };
  const steps: MigrationStep[] = [];
  if (isRenamed) {
    const sentence = `rename table ${nameOf(stored)} to ${nameOf(table)}, with its log`;
    steps.push({ ...base, type: 'rename-table', stored, sentence });
  }
  for (const field of table.fields) {
    const column = columns.found.get(field);
    const path = `${nameOf(table)}.${field.name}`;
    const conflict = columns.conflicts.get(field);
    if (conflict !== undefined) {
      const sentence = `rename column ${nameOf(table)}.${conflict.name} to ${field.name}, which is stored already`;
      steps.push({ ...base, type: 'rename-conflict', field, left: conflict, sentence });
    }
    if (column === undefined) {
      steps.push(...unusedName(table, field));
      continue;
    }
    if (columns.renamed.has(field)) {
      const sentence = `rename column ${nameOf(table)}.${column.name} to ${field.name}`;
      steps.push({ ...base, type: 'rename-column', field, column, sentence });
    }
    if (renameType(column.type, field.type) !== column.type) {
      const sentence = `rename values in ${path}, or members of them, as the schema says`;
      steps.push({ ...base, type: 'rename-values', field, sentence });
    }
  }
  return steps;
}

/** Returns the notes and conflicts of a table, apart from its fields. */
export function tableNameSteps(table: TablePlan, { tables, conflicts }: SchemaMatches): MigrationStep[] {
  const left = conflicts.get(table);
  if (left !== undefined) {
    const sentence = `rename table ${nameOf(left)} to ${nameOf(table)}, which is stored already`;
    return [{ type: 'rename-table-conflict', table, left, destructive: false, sentence }];
  }
  return tables.has(table) ? [] : unusedName(table);
}

/** Returns the note on an earlier name that nothing has. */
function unusedName(table: TablePlan, field?: FieldPlan): MigrationStep[] {
  const names = (field ?? table).renamedFrom ?? [];
  if (names.length === 0) return [];
  const own = field === undefined ? table.name : `${table.name}.${field.name}`;
  const written = names.map((name) => `"${name}"`).join(' or ');
  const sentence = `${own} is new: nothing is stored as ${written}, which @renamedFrom names`;
  return [{ type: 'unused-name', table, destructive: false, sentence }];
}

function nameOf({ database, table }: Pick<StoredTable, 'database' | 'table'>): string {
  return `${database}.${table}`;
}
