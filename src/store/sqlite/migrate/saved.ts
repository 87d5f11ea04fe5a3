import type { Database } from 'better-sqlite3';
import type { StoredSchema, StoredTable } from '../../../schema/migration/stored.ts';
import { DamagedStoreError } from '../../open-errors.ts';
import { floorKey } from './ddl.ts';

const KEY = 'schema';
const VERSION = 1;

/**
 * Reads the schema that the database was last migrated to; undefined when it is new. Throws DamagedStoreError when it is
 * not a Tablecast database, or not complete.
 */
export function readStored(db: Database): StoredSchema | undefined {
  const tables = db
    .prepare("SELECT lower(name) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .pluck()
    .all() as string[];
  const names = new Set(tables);
  if (names.size === 0) return undefined;
  if (!names.has('tablecast_meta')) throw new DamagedStoreError('it is a database of another program');
  const text = db.prepare('SELECT value FROM tablecast_meta WHERE key = ?').pluck().get(KEY) as string | undefined;
  const stored = parseStored(text);
  for (const table of stored.tables) {
    const name = `${table.database}/${table.table}`;
    if (names.has(name.toLowerCase()) && names.has(`${name}:log`.toLowerCase()) && hasFloor(db, table)) continue;
    throw new DamagedStoreError(`the table ${table.database}.${table.table} is missing or not whole`);
  }
  return stored;
}

export function saveStored(db: Database, schema: StoredSchema): void {
  db.prepare('INSERT OR REPLACE INTO tablecast_meta VALUES (?, ?)').run(KEY, JSON.stringify(schema));
}

function parseStored(text: string | undefined): StoredSchema {
  if (text === undefined) throw new DamagedStoreError('it does not say which tables it holds');
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

function hasFloor(db: Database, table: StoredTable): boolean {
  return db.prepare('SELECT 1 FROM tablecast_meta WHERE key = ?').get(floorKey(table)) !== undefined;
}
