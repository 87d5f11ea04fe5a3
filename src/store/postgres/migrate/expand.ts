import type { MigrationStep } from '../../../schema/migration/diff.ts';
import type { StoredSchema, StoredTable } from '../../../schema/migration/stored.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { PgAddress } from '../database/address.ts';
import type { PgSession } from '../database/session.ts';
import type { ExternalTriggers } from '../external/install.ts';
import { newestPosition } from '../log/log.ts';
import { indexName, quote, recordsTable, tableKey } from '../sql/names.ts';
import { addColumn, createTable } from './apply.ts';
import { createCompositeIndex, createIndex } from './ddl.ts';
import type { RowMapping } from './mapping.ts';
import { patiently } from './patience.ts';
import { saveStored } from './saved.ts';
import { saveVersion } from './versions.ts';

/** Milliseconds that an index is waited for: the table is read and written meanwhile. */
const INDEX_TIMEOUT_MS = 600_000;
const PENDING = 'pending';

/** Columns and indexes that are being added while other servers run: what a start that was cut off has left. */
interface Pending {
  readonly columns: readonly (readonly [table: string, column: string])[];
  readonly indexes: readonly string[];
}

export interface Expansion {
  readonly address: PgAddress;
  readonly steps: readonly MigrationStep[];
  readonly sources: ReadonlyMap<TablePlan, RowMapping>;
  readonly clock: (() => number) | undefined;
  /** Schema that will be stored, and its key. */
  readonly wanted: StoredSchema;
  readonly schema: string;
  readonly triggers: ExternalTriggers;
}

/**
 * Adds tables, columns and indexes while other servers use the database. Each statement is a transaction of its own, which
 * holds one lock at a time: with all of them in one, a commit of another server and this one would wait for each other. The
 * schema is stored at the end, at a position in the order of the log; until then all is as before to every server.
 */
export async function expand(session: PgSession, expansion: Expansion): Promise<number> {
  const { steps, sources } = expansion;
  await removePending(session);
  await session.send('INSERT INTO meta VALUES ($1, $2)', [PENDING, JSON.stringify(pendingOf(steps, sources))]);
  try {
    for (const step of steps) {
      const source = 'table' in step ? sources.get(step.table) : undefined;
      if (source === undefined) continue;
      if (step.type === 'add-column') {
        await patiently(session, expansion.address, () =>
          addColumn(session, source, step.field, { keepsDefault: true }),
        );
      }
      if (step.type === 'create-index') await concurrently(session, createIndex(step.table, step.field));
      if (step.type === 'create-composite-index') {
        await concurrently(session, createCompositeIndex(step.table, step.index));
      }
    }
    return await finish(session, expansion);
  } catch (error) {
    await removePending(session).catch(() => {});
    throw error;
  } finally {
    await session.script('RESET lock_timeout; RESET statement_timeout').catch(() => {});
  }
}

/** Removes what an expansion has left that did not come to its end. */
export async function removePending(session: PgSession): Promise<void> {
  const { rows } = await session.send('SELECT value FROM meta WHERE key = $1', [PENDING]);
  if (rows[0] === undefined) return;
  const { columns, indexes } = JSON.parse(rows[0][0] as string) as Pending;
  for (const name of indexes) await session.script(`DROP INDEX IF EXISTS ${quote(name)}`);
  for (const [table, column] of columns) {
    await session.script(`ALTER TABLE IF EXISTS ${quote(table)} DROP COLUMN IF EXISTS ${quote(column)}`);
  }
  await session.send('DELETE FROM meta WHERE key = $1', [PENDING]);
}

function pendingOf(steps: readonly MigrationStep[], sources: Expansion['sources']): Pending {
  const own = steps.flatMap((step) => ('table' in step && sources.has(step.table) ? [step] : []));
  return {
    columns: own.flatMap((step) =>
      step.type === 'add-column' ? [[recordsTable(step.table), step.field.name] as const] : [],
    ),
    indexes: own.flatMap((step) => {
      if (step.type === 'create-index') return [indexName(step.table, [step.field.name])];
      if (step.type !== 'create-composite-index') return [];
      const fields = step.index.fields.map(({ name }) => name);
      return [indexName(step.table, fields)];
    }),
  };
}

async function concurrently(session: PgSession, create: string): Promise<void> {
  await session.script(`SET statement_timeout = ${INDEX_TIMEOUT_MS}`);
  await session.script('SET lock_timeout = 0');
  await session.script(create.replace(/^CREATE INDEX/, 'CREATE INDEX CONCURRENTLY'));
}

/** Stores the schema with the position from which on entries of servers that know it have the new fields. */
async function finish(
  session: PgSession,
  { steps, sources, clock, wanted, schema, triggers }: Expansion,
): Promise<number> {
  await session.script('BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0');
  try {
    const { rows } = await session.send('SELECT base + 1 FROM take(1, $1)', [
      clock === undefined ? null : clock() * 1000,
    ]);
    const position = rows[0]?.[0] as number;
    await session.send('INSERT INTO gaps VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      await newestPosition(session),
      position,
    ]);
    const version = await saveVersion(session, schema, { alone: false });
    const grown = new Set<TablePlan>();
    for (const step of steps) {
      if (step.type === 'create-table') await createTable(session, step.table, position);
      if (step.type === 'add-column' && sources.has(step.table)) grown.add(step.table);
    }
    for (const table of grown) {
      await session.send('UPDATE tables SET shape = $2, grown = $3 WHERE name = $1', [
        tableKey(table),
        position,
        version,
      ]);
    }
    const created = steps.flatMap((step) => (step.type === 'create-table' ? [step.table] : []));
    await triggers.replaceFunctions({ version, kept: keptTables(steps) });
    for (const table of created) await triggers.renew(table);
    await saveStored(session, wanted);
    await session.send('DELETE FROM meta WHERE key = $1', [PENDING]);
    await session.script('COMMIT');
    return version;
  } catch (error) {
    await session.script('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** Returns the tables that have left the plan. */
export function keptTables(steps: readonly MigrationStep[]): readonly StoredTable[] {
  return steps.flatMap((step) => (step.type === 'keep-table' ? [step.stored] : []));
}
