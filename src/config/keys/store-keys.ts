import type { AppConfig } from '../config.ts';
import type { Keys } from './keys.ts';
import { choiceKey, countKey, durationKey, MAX_RETENTION_MS, natsKey, sizeKey, storeKey } from './values.ts';

type StoreSettings = Pick<
  AppConfig,
  | 'store'
  | 'storePool'
  | 'cluster'
  | 'externalWrites'
  | 'durability'
  | 'busyTimeout'
  | 'events'
  | 'idempotency'
  | 'audit'
>;

/** Keys of an application about where and how long its data are stored. */
export const STORE_KEYS: Keys<StoreSettings> = {
  store: storeKey({
    what: 'URL of a PostgreSQL database that stores records, log, users and the state of flows: see [PostgreSQL](../how-to/operate/postgresql.md)',
    shownDefault: 'none: the embedded store in `data_dir`',
  }),
  storePool: countKey(
    10,
    { what: 'Connections to the PostgreSQL database for reads; a few more are for writes' },
    { max: 1000 },
  ),
  cluster: {
    poll: durationKey(
      '1s',
      {
        what: 'How often a server on PostgreSQL checks for changes of other servers that no notification has announced',
      },
      { min: 50, max: 60_000 },
    ),
    catchUp: durationKey(
      '2s',
      { what: 'How long a server on PostgreSQL waits for a position that another one has issued' },
      { max: 60_000 },
    ),
    grace: durationKey(
      '5s',
      {
        what: 'How long, besides `poll`, a server that has lost the PostgreSQL database is ready and keeps streams of authenticated callers',
      },
      { min: 500 },
    ),
    nats: natsKey({
      what: 'URL of a NATS server that carries notifications and messages of rooms between servers on PostgreSQL: see [PostgreSQL](../how-to/operate/postgresql.md#nats)',
      shownDefault: 'none: `NOTIFY`',
    }),
    rooms: choiceKey(['shared', 'local'], 'shared', {
      what: 'Whether a room has the clients of all servers on one PostgreSQL store, or each server has rooms of its own',
    }),
  },
  externalWrites: choiceKey(['publish', 'refuse'], 'publish', {
    what: 'Whether what other programs write to the tables in the PostgreSQL database is published, or refused: see [writes by other programs](../how-to/write-by-sql.md)',
  }),
  durability: choiceKey(['full', 'normal'], 'full', {
    what: 'Whether a write is answered only when it survives a power failure',
  }),
  busyTimeout: durationKey('2s', { what: 'How long a write waits while another process holds the store' }, { min: 0 }),
  events: {
    retention: durationKey('24h', { what: 'How long a change can be resumed from' }, { max: MAX_RETENTION_MS }),
    maxCount: countKey(100_000, { what: 'Maximum number of changes kept for each table' }),
    replayPage: countKey(500, { what: 'Changes that are read at once for a client that resumes' }, { max: 10_000 }),
  },
  idempotency: {
    retention: durationKey(
      '24h',
      { what: 'How long a write with an Idempotency-Key, or a `ref` of a named client, can be repeated' },
      { max: MAX_RETENTION_MS },
    ),
    maxCount: countKey(100_000, { what: 'Maximum number of keys; the oldest are removed first' }),
    maxSize: sizeKey('256MiB', { what: 'Bytes of the responses stored for them; the oldest are removed first' }),
  },
  audit: {
    retention: durationKey('90d', { what: 'How long an entry of the audit log is kept' }, { max: MAX_RETENTION_MS }),
    maxCount: countKey(1_000_000, { what: 'Maximum number of entries; the oldest are removed first' }),
  },
};
