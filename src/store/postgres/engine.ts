import type { ClusterConfig } from '../../config/config.ts';
import type { StorageEngine } from '../engine.ts';
import type { StoreLocation } from '../index.ts';
import { type PgAddress, schemaOf } from './database/address.ts';

const MAX_LOOKUP_MS = 15_000;
/** A connection outlives its process a little. */
const MAX_CLAIM_MS = 2000;
const CLUSTER: ClusterConfig = { poll: 1000, catchUp: 2000, grace: 5000, nats: undefined, rooms: 'shared' };

export interface PostgresOptions extends PgAddress {
  /** Clock for seqs, in milliseconds since 1970; that of the database by default. */
  readonly clock?: () => number;
  /** Milliseconds for which the outcome of a commit is looked for when its answer was lost. */
  readonly maxLookupMs?: number;
  /** Milliseconds that a start which changes tables waits for other servers that end. */
  readonly maxClaimMs?: number;
  readonly cluster?: ClusterConfig;
}

/** Returns the engine of an application whose `store` is the URL of a database. */
export function postgresEngineOf({ appId, store = '', storePool, durability, cluster }: StoreLocation): StorageEngine {
  return postgresEngine({ url: store, schema: schemaOf(appId), pool: storePool, durability, cluster });
}

/**
 * Engine on a PostgreSQL database: one schema for each application, which is no folder: `dir` of the options is not used.
 * Each part is loaded when it is first used.
 */
export function postgresEngine(options: PostgresOptions): StorageEngine {
  const { clock, maxLookupMs = MAX_LOOKUP_MS, maxClaimMs = MAX_CLAIM_MS, cluster = CLUSTER, ...address } = options;
  const target = { address, clock, maxLookupMs, maxClaimMs, cluster };
  return {
    openRecords: async (plan, options) => (await import('./open.ts')).openPostgresStore(plan, options, target),
    openAccounts: async (options) => (await import('./accounts/accounts.ts')).openPostgresAccounts(options, address),
    openFlows: async (options) => (await import('./flows.ts')).openPostgresFlows(options, address),
    openSnapshot: async (plan) => (await import('./snapshot.ts')).openPostgresSnapshot(plan, address),
    previewMigration: async (plan, { allowed }) =>
      (await import('./migrate/migrate.ts')).previewPostgresMigration({ plan, ...target }, allowed),
    backupCommands: `pg_dump --format custom --schema '${address.schema}' and pg_restore; tablecast export has the records alone`,
  };
}
