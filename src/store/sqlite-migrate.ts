import type { Database } from 'better-sqlite3';
import type { FieldPlan, FieldType, Plan, TablePlan } from '../schema/plan.ts';
import { expiryOf } from './expiry.ts';
import { logName, quote, recordsName } from './sqlite-table.ts';
import type { StoreOptions } from './store.ts';

/** Brings the database to the plan. */
export function migrate(db: Database, plan: Plan, _options: StoreOptions): void {
  db.exec('CREATE TABLE IF NOT EXISTS tablecast_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID');
  for (const table of plan.tables) createTable(db, table);
}

function createTable(db: Database, table: TablePlan): void {
  const exists = db.prepare('SELECT 1 FROM tablecast_meta WHERE key = ?').get(floorKey(table));
  if (exists) return;
  const columns = table.fields.map((field) => columnOf(field));
  columns.push('_seq INTEGER NOT NULL');
  if (expiryOf(table) !== undefined) columns.push('_expires INTEGER');
  db.exec(`CREATE TABLE ${recordsName(table)} (${columns.join(', ')}) STRICT, WITHOUT ROWID`);
  const keyType = sqlType(table.primaryKey.type);
  db.exec(
    `CREATE TABLE ${logName(table)} (seq INTEGER PRIMARY KEY, op INTEGER NOT NULL, id ${keyType}, data TEXT, before TEXT) STRICT`,
  );
  // Positions from before the table was there are not its own: another database may have issued them.
  db.prepare('INSERT INTO tablecast_meta VALUES (?, ?)').run(floorKey(table), String(Date.now() * 1000));
}

function floorKey({ database, table }: TablePlan): string {
  return `floor:${database}/${table}`;
}

function columnOf(field: FieldPlan): string {
  const constraint = field.primaryKey ? ' PRIMARY KEY' : '';
  return `${quote(field.name)} ${sqlType(field.type)}${field.required ? ' NOT NULL' : ''}${constraint}`;
}

function sqlType(type: FieldType): 'TEXT' | 'INTEGER' | 'REAL' {
  if (type.kind !== 'scalar') return 'TEXT';
  if (type.name === 'Int' || type.name === 'Long' || type.name === 'Boolean') return 'INTEGER';
  return type.name === 'Float' ? 'REAL' : 'TEXT';
}
