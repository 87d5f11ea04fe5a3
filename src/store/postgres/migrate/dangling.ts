import { describeType } from '../../../schema/migration/stored.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { danglingCheck, type MigrationCheck, type ReferenceStep } from '../../migration/check.ts';
import { formatCell } from '../../migration/kept-value.ts';
import type { PgSession } from '../database/session.ts';
import type { RowMapping } from './mapping.ts';
import { scanRows } from './scan.ts';

const MAX_EXAMPLES = 3;

/** Looks for keys of no record, as both tables will be after the migration. */
export async function checkDangling(
  session: PgSession,
  step: ReferenceStep,
  sources: ReadonlyMap<TablePlan, RowMapping>,
): Promise<MigrationCheck> {
  const { table, field, target } = step.reference;
  const source = sources.get(table);
  const keys = new Set<string>();
  const other = sources.get(target);
  if (source !== undefined && other !== undefined) {
    for await (const rows of scanRows(session, other.stored)) {
      for (const row of rows) keys.add(String(other.valueOf(target.primaryKey, row)));
    }
  }
  let count = 0;
  const examples: string[] = [];
  const types = [table.primaryKey, field].map(({ type }) => describeType(type));
  // A new table has no records.
  for await (const rows of source === undefined ? [] : scanRows(session, source.stored)) {
    for (const row of rows) {
      const cells = [table.primaryKey, field].map((one) => (source as RowMapping).valueOf(one, row));
      if (cells[1] === null || keys.has(String(cells[1]))) continue;
      count++;
      const parts = types.map((type, index) => formatCell(cells[index] ?? null, type));
      if (examples.length < MAX_EXAMPLES) examples.push(parts.join(': '));
    }
  }
  return danglingCheck(step, { count, examples });
}
