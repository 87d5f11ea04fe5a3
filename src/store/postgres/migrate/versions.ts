import { createHash } from 'node:crypto';
import { describeStored } from '../../../schema/migration/stored.ts';
import type { Plan } from '../../../schema/plan.ts';
import type { PgSession } from '../database/session.ts';

const KEY = 'schemas';

/** Schema with which servers may run, and its number: a later schema has a greater one. */
interface SchemaVersion {
  readonly schema: string;
  readonly version: number;
}

/** Returns the text by which a schema is known: servers with the same one read and write the same tables in the same way. */
export function schemaKey(plan: Plan): string {
  return createHash('sha256')
    .update(JSON.stringify(describeStored(plan)))
    .digest('hex');
}

/** Reads the number of a schema; undefined where servers with it must not run beside those of the stored one. */
export async function readVersion(session: PgSession, schema: string): Promise<number | undefined> {
  return (await readVersions(session)).find((one) => one.schema === schema)?.version;
}

/**
 * Stores that servers with the schema may run, and returns its number. `alone`: no others may, since the tables were changed
 * in a way in which they cannot use them.
 */
export async function saveVersion(session: PgSession, schema: string, { alone }: { alone: boolean }): Promise<number> {
  const known = await readVersions(session);
  const version = Math.max(0, ...known.map((one) => one.version)) + 1;
  const others = alone ? [] : known.filter((one) => one.schema !== schema);
  await session.send('INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value', [
    KEY,
    JSON.stringify([...others, { schema, version }]),
  ]);
  return version;
}

async function readVersions(session: PgSession): Promise<readonly SchemaVersion[]> {
  const { rows } = await session.send('SELECT value FROM meta WHERE key = $1', [KEY]);
  return rows[0] === undefined ? [] : (JSON.parse(rows[0][0] as string) as SchemaVersion[]);
}
