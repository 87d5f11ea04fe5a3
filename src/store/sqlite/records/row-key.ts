import type { Database } from 'better-sqlite3';
import type { TablePlan } from '../../../schema/plan.ts';
import { quote, recordsTable } from '../sql/table-names.ts';

/**
 * Quoted name of the column by which a record's row is found soonest: its number, which no field's name hides. Where rows
 * have none, as in tables of older stores, it is the primary key, which elsewhere is two searches away from the row.
 */
export function rowKeyOf(db: Database, table: TablePlan): string {
  const isWithout = db.prepare(`SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?`).pluck();
  return isWithout.get(recordsTable(table)) === 0 ? '_rowid_' : quote(table.primaryKey.name);
}
