import type { Database } from 'better-sqlite3';
import { describeType } from '../../../schema/migration/stored.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { danglingCheck, type MigrationCheck, type ReferenceStep } from '../../migration/check.ts';
import { formatCell } from '../../migration/kept-value.ts';
import type { Cell } from '../../store.ts';
import type { ColumnMapping } from './mapping.ts';

const MAX_EXAMPLES = 3;

/** Looks for keys of no record, as both tables will be after the migration. */
export function checkDangling(
  db: Database,
  step: ReferenceStep,
  sources: ReadonlyMap<TablePlan, ColumnMapping>,
): MigrationCheck {
  const { table, field, target } = step.reference;
  const source = sources.get(table);
  // A new table has no records.
  if (source === undefined) return danglingCheck(step, { count: 0, examples: [] });
  const cells = [source.expressionOf(table.primaryKey), source.expressionOf(field)];
  const other = sources.get(target);
  const isThere = other && `key IN (SELECT ${other.expressionOf(target.primaryKey)} FROM ${other.from})`;
  const rows = `(SELECT ${cells[0]} AS id, ${cells[1]} AS key FROM ${source.from})`;
  const dangling = `FROM ${rows} WHERE key IS NOT NULL${isThere === undefined ? '' : ` AND NOT ${isThere}`}`;
  const count = db.prepare(`SELECT count(*) ${dangling}`).pluck().get() as number;
  if (count === 0) return danglingCheck(step, { count, examples: [] });
  const found = db.prepare(`SELECT id, key ${dangling} LIMIT ${MAX_EXAMPLES}`).raw().safeIntegers().all() as Cell[][];
  const types = [table.primaryKey, field].map(({ type }) => describeType(type));
  const examples = found.map((row) => types.map((type, index) => formatCell(row[index] ?? null, type)).join(': '));
  return danglingCheck(step, { count, examples });
}
