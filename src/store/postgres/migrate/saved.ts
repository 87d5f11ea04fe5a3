import type { StoredSchema } from '../../../schema/migration/stored.ts';
import { DamagedStoreError } from '../../open-errors.ts';
import type { PgSession } from '../database/session.ts';
import { recordsTable, tableKey } from '../sql/names.ts';

const KEY = 'schema';
const VERSION = 1;

/**
 * Reads the schema that the database was last migrated to; undefined when it is new. Throws DamagedStoreError when it is not
 * complete.
 */
export async function readStored(session: PgSession): Promise<StoredSchema | undefined> {
  const { rows } = await session.send('SELECT value FROM meta WHERE key = $1', [KEY]);
  const text = rows[0]?.[0] as string | undefined;
  if (text === undefined) return undefined;
  const stored = parseStored(text);
  const there = await session.send('SELECT tablename FROM pg_tables WHERE schemaname = current_schema()');
  const names = new Set(there.rows.map(([name]) => name as string));
  const logs = new Set((await session.send('SELECT name FROM tables')).rows.map(([name]) => name as string));
  for (const table of stored.tables) {
    if (names.has(recordsTable(table)) && logs.has(tableKey(table))) continue;
    throw new DamagedStoreError(
      `the table ${table.database}.${table.table} is missing, or was changed by hand. Restore it from a backup`,
    );
  }
  return stored;
}

export async function saveStored(session: PgSession, schema: StoredSchema): Promise<void> {
  await session.send('INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value', [
    KEY,
    JSON.stringify(schema),
  ]);
}

function parseStored(text: string): StoredSchema {
  let schema: Partial<StoredSchema>;
  try {
    schema = JSON.parse(text) as Partial<StoredSchema>;
  } catch (cause) {
    throw new DamagedStoreError('what it says about its tables is not readable', { cause });
  }
  if (schema.version !== VERSION || schema.tables === undefined) {
    throw new DamagedStoreError('it was written by a newer version of Tablecast');
  }
  return schema as StoredSchema;
}
