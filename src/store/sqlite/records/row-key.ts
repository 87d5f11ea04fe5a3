import type { Database } from 'better-sqlite3';
import type { TablePlan } from '../../../schema/plan.ts';
import { quote, recordsTable } from '../sql/table-names.ts';

/**
 * Returns the quoted name of the column by which a row is found fastest: `_rowid_`, which no field's name hides, or the
 * primary key in tables that were created WITHOUT ROWID, as older stores have. With a rowid, a search by the primary key
 * takes two searches.
 */
export function rowKeyOf(db: Database, table: TablePlan): string {
  const isWithout = db.prepare(`SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?`).pluck();
  return isWithout.get(recordsTable(table)) === 0 ? '_rowid_' : quote(table.primaryKey.name);
}
