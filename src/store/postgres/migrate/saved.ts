import type { StoredSchema, StoredTable } from '../../../schema/migration/stored.ts';
import { DamagedStoreError } from '../../open-errors.ts';
import type { PgSession } from '../database/session.ts';
import { recordsTable, tableKey, wordsColumn } from '../sql/names.ts';
import type { SqlType } from '../sql/types.ts';
import { storedType } from './mapping.ts';

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
  const { rows: found } = await session.send(COLUMNS);
  const columns = new Map<string, Map<string, FoundColumn>>();
  for (const [table, column, type, mayBeLeftOut] of found as [string, string, string, number][]) {
    const ofTable = columns.get(table) ?? new Map();
    columns.set(table, ofTable.set(column, { type, mayBeLeftOut: mayBeLeftOut === 1 }));
  }
  const logs = new Set((await session.send('SELECT name FROM tables')).rows.map(([name]) => name as string));
  for (const table of stored.tables) {
    const ofTable = columns.get(recordsTable(table));
    const name = `${table.database}.${table.table}`;
    if (ofTable === undefined || !logs.has(tableKey(table))) {
      throw new DamagedStoreError(`the table ${name} is missing, or was changed by hand. Restore it from a backup`);
    }
    const change = findChange(table, ofTable);
    if (change !== undefined) throw new DamagedStoreError(`the table ${name} was changed by hand: ${change}`);
  }
  return stored;
}

const COLUMNS = `SELECT c.relname::text, a.attname::text, a.atttypid::regtype::text, a.atthasdef OR NOT a.attnotnull
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped`;

interface FoundColumn {
  readonly type: string;
  /** False for a column that every record has to have, for which the database has no value. */
  readonly mayBeLeftOut: boolean;
}

/** Returns what another program has changed in a table so that it cannot be used, with the way back. */
function findChange(table: StoredTable, found: ReadonlyMap<string, FoundColumn>): string | undefined {
  for (const { name, type } of table.columns) {
    const own = NAMES_OF_TYPES[storedType(type)];
    const column = found.get(name);
    if (column === undefined) return `the column ${name} is missing. Add it again, with the type ${own}`;
    if (column.type !== own) return `the column ${name} has the type ${column.type}. Give it the type ${own} again`;
  }
  const known = new Set(['_seq', '_expires', ...table.columns.flatMap((one) => [one.name, wordsColumn(one)])]);
  for (const [name, { mayBeLeftOut }] of found) {
    if (known.has(name) || mayBeLeftOut) continue;
    return `the column ${name} was added, and new records have no value for it. Give it a default, or let it be null`;
  }
  return undefined;
}

/** Types as the database names them. */
const NAMES_OF_TYPES: Readonly<Record<SqlType, string>> = {
  text: 'text',
  bigint: 'bigint',
  'double precision': 'double precision',
  boolean: 'boolean',
  timestamptz: 'timestamp with time zone',
  json: 'json',
};

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
