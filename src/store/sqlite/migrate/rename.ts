import type { Database } from 'better-sqlite3';
import type { StoredColumn, StoredIndex, StoredTable } from '../../../schema/migration/stored.ts';
import type { FieldPlan } from '../../../schema/plan.ts';
import { auditName } from '../../audit.ts';
import { renameTableInKey } from '../../idempotency-key.ts';
import { changedFields, renameEntry } from '../../migration/rename-entry.ts';
import { OPS } from '../../rows/row.ts';
import { renameFulltext } from '../sql/fulltext.ts';
import { logName, quote, recordsName } from '../sql/table-names.ts';
import { compositeIndexName, expiryIndexName, indexName } from './ddl.ts';
import type { ColumnMapping } from './mapping.ts';

/** True when the table or a column of it gets another name. Names are compared without case, as SQLite does. */
export function hasNewNames(source: ColumnMapping): boolean {
  return isMoved(source) || renamedColumns(source).length > 0;
}

/** Renames the table of records, its columns, indexes and full-text indexes in place. Values are not copied. */
export function renameRecords(db: Database, source: ColumnMapping): void {
  const { stored, table } = source;
  // The names of indexes have those of table and fields in them.
  for (const name of storedIndexes(stored)) db.exec(`DROP INDEX ${name}`);
  if (isMoved(source)) db.exec(`ALTER TABLE ${recordsName(stored)} RENAME TO ${recordsName(table)}`);
  for (const [field, column] of renamedColumns(source)) {
    db.exec(`ALTER TABLE ${recordsName(table)} RENAME COLUMN ${quote(column.name)} TO ${quote(field.name)}`);
  }
  for (const field of table.fields) {
    const column = source.storedOf(field);
    if (column?.fulltext) renameFulltext(db, { table: stored, field: column }, { table, field });
  }
}

/** Renames the log of the table. */
export function renameLog(db: Database, source: ColumnMapping): void {
  const { stored, table } = source;
  if (isMoved(source)) db.exec(`ALTER TABLE ${logName(stored)} RENAME TO ${logName(table)}`);
  rewriteLog(db, source);
}

/** Renames tables in the audit log, and in the keys of requests that may be repeated. */
export function renameInHistory(db: Database, sources: readonly ColumnMapping[]): void {
  const tables = new Set(db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all());
  for (const { stored, table } of sources) {
    if (auditName(stored) !== auditName(table) && tables.has('tablecast_audit')) {
      db.prepare('UPDATE tablecast_audit SET tbl = ? WHERE tbl = ?').run(auditName(table), auditName(stored));
    }
    if (stored.name !== table.name && tables.has('tablecast_idempotency')) renameKeys(db, stored.name, table.name);
  }
}

function renameKeys(db: Database, from: string, to: string): void {
  const find = db.prepare('SELECT id, key FROM tablecast_idempotency WHERE instr(key, ?) > 0').raw();
  const update = db.prepare('UPDATE OR REPLACE tablecast_idempotency SET key = ? WHERE id = ?');
  for (const [id, key] of find.all(JSON.stringify(from)) as [number, string][]) {
    const renamed = renameTableInKey(key, from, to);
    if (renamed !== key) update.run(renamed, id);
  }
}

function isMoved({ stored, table }: ColumnMapping): boolean {
  return recordsName(stored).toLowerCase() !== recordsName(table).toLowerCase();
}

function renamedColumns(source: ColumnMapping): (readonly [FieldPlan, StoredColumn])[] {
  return source.table.fields.flatMap((field) => {
    const column = source.storedOf(field);
    return column === undefined || column.name.toLowerCase() === field.name.toLowerCase() ? [] : [[field, column]];
  });
}

function storedIndexes(stored: StoredTable): string[] {
  const ofColumns = stored.columns.filter(({ indexed, unique }) => indexed || unique);
  const ofSeveral = (stored.compositeIndexes ?? []).map(({ fields }: StoredIndex) =>
    compositeIndexName(stored, fields),
  );
  const expires = stored.expiration === null && stored.expiresAt === null ? [] : [expiryIndexName(stored)];
  return [...ofColumns.map((column) => indexName(stored, column)), ...ofSeveral, ...expires];
}

/**
 * Gives the fields in the entries of the log their new names, for flows and hooks that have not handled them yet.
 * Subscribers receive the full state again, since the records that they hold have the old names.
 */
function rewriteLog(db: Database, source: ColumnMapping): void {
  const changed = changedFields(source.table, (field) => source.storedOf(field));
  if (changed.size === 0) return;
  const rewrite = source.functions.add((cell) =>
    typeof cell === 'string' ? renameEntry(cell, changed) : (cell ?? null),
  );
  const publish = OPS.indexOf('publish') + 1;
  const data = `CASE op WHEN ${publish} THEN data ELSE ${rewrite}(data) END`;
  db.exec(`UPDATE ${logName(source.table)} SET data = ${data}, before = ${rewrite}(before)`);
}
