import type { ClusterConfig } from '../../config/config.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import type { Store, StoreOptions } from '../store.ts';
import type { PgAddress } from './database/address.ts';
import { describeOpenError } from './database/errors.ts';
import { Readers } from './database/readers.ts';
import type { PgSession } from './database/session.ts';
import { WriterSession } from './database/writer-session.ts';
import { PgPositions } from './log/issued-positions.ts';
import { openLogs, TableLog } from './log/log.ts';
import { LOSS_MARK } from './log/rewind.ts';
import { migrate } from './migrate/migrate.ts';
import { schemaKey } from './migrate/versions.ts';
import { PgTable } from './records/table.ts';
import { type OpenedTables, type OpenTable, PostgresStore, type StoreParts } from './store.ts';

export interface PgStoreOptions {
  readonly address: PgAddress;
  /** Clock for seqs, in milliseconds since 1970; undefined for that of the database. */
  readonly clock: (() => number) | undefined;
  /** Milliseconds for which the outcome of a commit is looked for when its answer was lost. */
  readonly maxLookupMs: number;
  /** Milliseconds that a start which changes tables waits for other servers that end. */
  readonly maxClaimMs: number;
  readonly cluster: ClusterConfig;
}

/** Opens the store in a schema of a database, creating or migrating what the plan needs. Throws StoreOpenError. */
export async function openPostgresStore(
  plan: Plan,
  options: StoreOptions,
  { address, clock, maxLookupMs, maxClaimMs, cluster }: PgStoreOptions,
): Promise<Store> {
  const writer = new WriterSession(address);
  const readers = new Readers(address);
  try {
    const session = await writer.open();
    const version = await migrate(session, { plan, address, clock, maxClaimMs }, options);
    writer.opened(schemaKey(plan));
    const parts = { plan, version, options, address, writer, readers, clock, maxLookupMs, cluster };
    return new PostgresStore(parts, await readState(parts));
  } catch (error) {
    await writer.close();
    await readers.close();
    throw describeOpenError(address, error);
  }
}

/** Reads the state of the tables. */
async function readState(parts: StoreParts): Promise<OpenedTables> {
  const { address, plan, options, writer, readers } = parts;
  const session = await writer.open();
  const { logs, lastSeq } = await openLogs(session, plan);
  const tables = new Map<TablePlan, OpenTable>();
  for (const table of plan.tables) {
    const stored = logs.get(table);
    if (stored === undefined) throw new Error(`The table ${table.name} has no log.`);
    const log = new TableLog(table, stored, readers, options.events);
    tables.set(table, { table: new PgTable(table), id: stored.id, log });
  }
  const positions = await PgPositions.open(
    session,
    readers,
    [...tables.values()].map(({ log }) => log),
    lastSeq,
  );
  const hasAudit =
    plan.tables.some(({ audited }) => audited) || (await session.send('SELECT 1 FROM audit LIMIT 1')).rows.length > 0;
  const mark = Number((await session.send(`SELECT ${LOSS_MARK}`)).rows[0]?.[0]);
  return { tables, positions, lastSeq, mark, hasAudit, identity: await identityOf(session, address) };
}

/** Returns what a schema of another database has differently. */
async function identityOf(session: PgSession, { schema }: PgAddress): Promise<string> {
  const database = 'SELECT oid FROM pg_database WHERE datname = current_database()';
  const { rows } = await session.send(`SELECT system_identifier::text, (${database})::text FROM pg_control_system()`);
  return [...(rows[0] ?? []), schema].join(' ');
}
