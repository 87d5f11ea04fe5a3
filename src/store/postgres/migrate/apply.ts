import type { MigrationStep } from '../../../schema/migration/diff.ts';
import type { StoredTable } from '../../../schema/migration/stored.ts';
import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';
import type { PgSession } from '../database/session.ts';
import { PgTable } from '../records/table.ts';
import { indexName, quote, recordsName, tableKey, wordsColumn } from '../sql/names.ts';
import { literal, sqlType, toParam, WORDS_VERSION } from '../sql/types.ts';
import { columnOf, createCompositeIndex, createIndex, createIndexes, createRecords } from './ddl.ts';
import type { RowMapping } from './mapping.ts';
import { renameRecords } from './rename.ts';
import { scanRows } from './scan.ts';

const NEW_NAME = quote('new records');
/** Key in `meta` of the version of the word splitter that made the indexes of words. */
export const WORDS_KEY = 'words';

/** Creates a table. `position` is after every one that was issued before. */
export async function createTable(session: PgSession, table: TablePlan, position: number): Promise<void> {
  for (const sql of [createRecords(table), ...createIndexes(table)]) await session.script(sql);
  // Positions from before the table existed are not its own: another database may have issued them.
  const sql =
    'INSERT INTO tables (name, floor) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET floor = excluded.floor';
  await session.send(sql, [tableKey(table), position]);
}

/** Removes a table that has left the schema. Its `position` stays stored, so that none of its log is issued again. */
export async function dropTable(session: PgSession, stored: StoredTable, position: number): Promise<void> {
  await session.script(`DROP TABLE ${recordsName(stored)}`);
  const { rows } = await session.send('UPDATE tables SET floor = $2, shape = 0 WHERE name = $1 RETURNING id', [
    tableKey(stored),
    position,
  ]);
  await session.send('DELETE FROM log WHERE tbl = $1', [rows[0]?.[0] as number]);
}

/** Changes an existing table to its plan. The steps were checked before; the caller has opened the transaction. */
export async function changeTable(
  session: PgSession,
  source: RowMapping,
  steps: readonly MigrationStep[],
): Promise<void> {
  if (steps.some((step) => needsRebuild(step, source))) {
    await rebuild(session, source);
    return;
  }
  const { table } = source;
  const records = recordsName(table);
  await renameRecords(session, source);
  const dropIndex = (fields: readonly string[]) => `DROP INDEX IF EXISTS ${quote(indexName(table, fields))}`;
  for (const step of steps) {
    if (step.type === 'drop-composite-index') await session.script(dropIndex(step.index.fields));
    if (step.type === 'create-composite-index') await session.script(createCompositeIndex(table, step.index));
    if (step.type === 'add-column') await addColumn(session, source, step.field);
    if (step.type === 'drop-column') {
      await session.script(`ALTER TABLE ${records} DROP COLUMN ${quote(step.column.name)}`);
      if (step.column.fulltext) {
        await session.script(`ALTER TABLE ${records} DROP COLUMN ${quote(wordsColumn(step.column))}`);
      }
    }
    if (step.type === 'drop-index') await session.script(dropIndex([step.field.name]));
    if (step.type === 'create-index' || step.type === 'create-unique-index') {
      await session.script(createIndex(table, step.field));
    }
  }
}

function needsRebuild(step: MigrationStep, source: RowMapping): boolean {
  switch (step.type) {
    case 'add-column':
    case 'change-type':
      return source.isConverted(step.field) || step.field.fulltext;
    case 'rename-values':
      return source.isConverted(step.field);
    case 'create-fulltext-index':
    case 'drop-fulltext-index':
    case 'add-required-column':
    case 'recompute':
    case 'make-required':
    case 'make-nullable':
    case 'change-expiration':
      return true;
    default:
      return false;
  }
}

/** Adds a column in constant time: the server has the value of older records in its catalogue. */
export async function addColumn(
  session: PgSession,
  source: RowMapping,
  field: FieldPlan,
  { keepsDefault = false } = {},
): Promise<void> {
  const records = recordsName(source.table);
  const value = toParam(source.valueOf(field, { cells: [], seq: 0 }), sqlType(field.type));
  const name = quote(field.name);
  await session.script(`ALTER TABLE ${records} ADD COLUMN ${columnOf(field)} DEFAULT ${literal(value)}`);
  // Servers that do not know the field leave its value to the database.
  if (!keepsDefault) await session.script(`ALTER TABLE ${records} ALTER COLUMN ${name} DROP DEFAULT`);
}

/** Copies the records into a new table, which replaces the old one. */
export async function rebuild(session: PgSession, source: RowMapping): Promise<void> {
  const { table, stored, from } = source;
  const target = new PgTable(table, NEW_NAME);
  await session.script(createRecords(table, NEW_NAME));
  for await (const rows of scanRows(session, stored)) {
    await session.run(target.insert(rows.map((row) => source.rowOf(row))));
  }
  await session.script(`DROP TABLE ${from}`);
  await session.script(`ALTER TABLE ${NEW_NAME} RENAME TO ${recordsName(table)}`);
  for (const sql of createIndexes(table)) await session.script(sql);
}

/** Makes the indexes of words anew where another version of the word splitter has made them. Returns their tables. */
export async function renewWords(session: PgSession, sources: readonly RowMapping[]): Promise<readonly FieldPlan[]> {
  const { rows } = await session.send('SELECT value FROM meta WHERE key = $1', [WORDS_KEY]);
  const version = rows[0]?.[0];
  if (version === WORDS_VERSION) return [];
  await session.send('INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value', [
    WORDS_KEY,
    WORDS_VERSION,
  ]);
  if (version === undefined) return [];
  const renewed: FieldPlan[] = [];
  for (const source of sources) {
    const fields = source.table.fields.filter(({ fulltext }) => fulltext);
    if (fields.length === 0) continue;
    await rebuild(session, source);
    renewed.push(...fields);
  }
  return renewed;
}
