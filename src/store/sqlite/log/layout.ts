import type { Database } from 'better-sqlite3';
import type { MigrationStep, StoredSchema } from '../../../schema/migration/diff.ts';
import { describeTable } from '../../../schema/migration/stored.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { shapeKey } from '../migrate/ddl.ts';
import type { ColumnMapping } from '../migrate/mapping.ts';
import { logName } from '../sql/table-names.ts';

/**
 * True when the steps change stored records or the rights to them without entries in the log: a client that resumed from
 * an earlier position would miss that, and receive changes in the form of an earlier schema.
 */
export function changesLayout({ stored, table }: ColumnMapping, steps: readonly MigrationStep[]): boolean {
  if (stored.rights !== describeTable(table).rights) return true;
  // A field in another case is the same column, and another property of the record.
  const before = new Set(visibleOf(stored.columns));
  const now = visibleOf(table.fields);
  return before.size !== now.length || now.some((name) => !before.has(name)) || steps.some(isConverting);
}

function visibleOf(fields: readonly { readonly name: string; readonly hidden?: boolean }[]): readonly string[] {
  return fields.filter(({ hidden }) => hidden !== true).map(({ name }) => name);
}

function isConverting({ type }: MigrationStep): boolean {
  return type === 'change-type' || type === 'recompute' || type === 'rename-values';
}

/** Returns the newest position that was ever issued, also by tables that have left the schema. */
export function newestPosition(db: Database, stored: StoredSchema | undefined): number {
  const marks = "SELECT max(CAST(value AS INTEGER)) FROM tablecast_meta WHERE key LIKE 'floor:%' OR key LIKE 'shape:%'";
  const logs = (stored?.tables ?? []).map((table) => `SELECT max(seq) FROM ${logName(table)}`);
  return Math.max(0, ...[marks, ...logs].map((sql) => Number(db.prepare(sql).pluck().get() ?? 0)));
}

export function markLayoutChange(db: Database, table: TablePlan, position: number): void {
  db.prepare('INSERT OR REPLACE INTO tablecast_meta VALUES (?, ?)').run(shapeKey(table), String(position));
}
