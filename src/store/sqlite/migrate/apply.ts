import type { Database } from 'better-sqlite3';
import type { MigrationStep } from '../../../schema/migration/diff.ts';
import type { StoredTable } from '../../../schema/migration/stored.ts';
import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { createFulltext, dropFulltext } from '../sql/fulltext.ts';
import { logName, quote, recordsName } from '../sql/table-names.ts';
import {
  columnOf,
  compositeIndexName,
  createCompositeIndex,
  createIndex,
  createIndexes,
  createLog,
  createRecords,
  floorKey,
  indexName,
  shapeKey,
} from './ddl.ts';
import type { ColumnMapping } from './mapping.ts';
import { hasNewNames, renameLog, renameRecords } from './rename.ts';

/** Creates a table. `position` is after every one that was issued before. */
export function createTable(db: Database, table: TablePlan, position: number): void {
  for (const sql of [createRecords(table), createLog(table), ...createIndexes(table)]) db.exec(sql);
  createAllFulltext(db, table);
  // Positions from before the table existed are not its own: another database may have issued them.
  // A dropped table has left its position there: REPLACE.
  db.prepare('INSERT OR REPLACE INTO tablecast_meta VALUES (?, ?)').run(floorKey(table), String(position));
}

/** Removes a table that has left the schema. Its `position` stays stored, so that none of its log is issued again. */
export function dropTable(db: Database, stored: StoredTable, position: number): void {
  for (const column of stored.columns) if (column.fulltext) dropFulltext(db, stored, column);
  db.exec(`DROP TABLE ${recordsName(stored)}`);
  db.exec(`DROP TABLE ${logName(stored)}`);
  db.prepare('DELETE FROM tablecast_meta WHERE key = ?').run(shapeKey(stored));
  db.prepare('UPDATE tablecast_meta SET value = ? WHERE key = ?').run(String(position), floorKey(stored));
}

/** Changes an existing table to its plan. The steps were checked before; the caller has opened the transaction. */
export function changeTable(db: Database, source: ColumnMapping, steps: readonly MigrationStep[]): void {
  const { stored, table } = source;
  // Names of tables are compared without case, keys are not.
  if (floorKey(table) !== floorKey(stored)) {
    // A dropped table has left its position under this name. It stays, so that none of its log is issued again.
    db.prepare("UPDATE tablecast_meta SET key = key || ':' || value WHERE key = ?").run(floorKey(table));
  }
  const rename = db.prepare('UPDATE tablecast_meta SET key = ? WHERE key = ?');
  for (const keyOf of [floorKey, shapeKey]) rename.run(keyOf(table), keyOf(stored));
  renameLog(db, source);
  if (steps.some((step) => needsRebuild(step, source))) {
    rebuild(db, source);
    return;
  }
  const renamed = hasNewNames(source);
  if (renamed) renameRecords(db, source);
  for (const step of steps) {
    if (step.type === 'drop-fulltext-index') dropFulltext(db, table, step.field);
    if (step.type === 'create-fulltext-index') createFulltext(db, table, step.field);
    if (step.type === 'add-column') db.exec(addColumn(source, step.field));
    // All indexes are made anew.
    if (renamed) continue;
    if (step.type === 'drop-composite-index') db.exec(`DROP INDEX ${compositeIndexName(stored, step.index.fields)}`);
    if (step.type === 'create-composite-index') db.exec(createCompositeIndex(table, step.index));
    if (step.type === 'drop-index') db.exec(`DROP INDEX ${indexName(stored, step.field)}`);
    if (step.type === 'create-index' || step.type === 'create-unique-index') db.exec(createIndex(table, step.field));
  }
  if (renamed) for (const sql of createIndexes(table)) db.exec(sql);
}

function needsRebuild(step: MigrationStep, source: ColumnMapping): boolean {
  switch (step.type) {
    case 'add-column':
    case 'change-type':
    case 'rename-values':
      return source.isConverted(step.field);
    case 'add-required-column':
    case 'recompute':
    case 'make-required':
    case 'make-nullable':
    case 'drop-column':
    case 'change-expiration':
      return true;
    default:
      return false;
  }
}

/** Returns the statement that adds a column, in constant time: SQLite writes the value when a record is next written. */
function addColumn(source: ColumnMapping, field: FieldPlan): string {
  return `ALTER TABLE ${recordsName(source.table)} ADD COLUMN ${columnOf(field)} DEFAULT ${source.expressionOf(field)}`;
}

/** Copies the records into a new table, which replaces the old one. */
function rebuild(db: Database, source: ColumnMapping): void {
  const { table, from } = source;
  const temporary = quote(`${table.database}/${table.table}:new`);
  const columns = [...table.fields.map(({ name }) => quote(name)), '_seq'];
  const values = [...table.fields.map((field) => source.expressionOf(field)), '_seq'];
  const expiry = source.expiryExpression();
  if (expiry !== undefined) {
    columns.push('_expires');
    values.push(expiry);
  }
  for (const column of source.stored.columns) if (column.fulltext) dropFulltext(db, source.stored, column);
  db.exec(createRecords(table, temporary));
  db.exec(`INSERT INTO ${temporary} (${columns}) SELECT ${values} FROM ${from}`);
  db.exec(`DROP TABLE ${from}`);
  db.exec(`ALTER TABLE ${temporary} RENAME TO ${recordsName(table)}`);
  for (const sql of createIndexes(table)) db.exec(sql);
  createAllFulltext(db, table);
}

/** Creates the full-text indexes of a table again. */
export function createAllFulltext(db: Database, table: TablePlan): void {
  for (const field of table.fields) if (field.fulltext) createFulltext(db, table, field);
}
