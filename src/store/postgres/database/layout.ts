import { StoreOpenError } from '../../open-errors.ts';
import { quote } from '../sql/names.ts';
import { lockNumber, type PgAddress, shownAddress } from './address.ts';
import type { PgSession } from './session.ts';

/** Version of the first release that has everything that the statements use. */
const MIN_SERVER_VERSION = 130_000;
/** Milliseconds that a start waits for another one that makes the same tables. */
const LAYOUT_TIMEOUT_MS = 10_000;

/** Tables that one part of the store needs, in versions. */
export interface Layout {
  /** Key of the version in `meta`. */
  readonly part: 'records' | 'accounts' | 'flows';
  /** SQL that each version adds to the one before. */
  readonly steps: readonly string[];
}

/** Checks the server, and creates or upgrades the tables of one part. Throws StoreOpenError. */
export async function prepareLayout(session: PgSession, address: PgAddress, layout: Layout): Promise<void> {
  await checkServer(session, address);
  await session.script(
    `BEGIN; SET LOCAL lock_timeout = ${LAYOUT_TIMEOUT_MS}; SELECT pg_advisory_xact_lock(${lockNumber(address, 'layout')})`,
  );
  try {
    await session.script(`CREATE SCHEMA IF NOT EXISTS ${quote(address.schema)}`);
    await session.script(
      'CREATE TABLE IF NOT EXISTS meta (key text COLLATE "C" PRIMARY KEY, value text COLLATE "C" NOT NULL)',
    );
    const key = `version:${layout.part}`;
    const { rows } = await session.send('SELECT value FROM meta WHERE key = $1', [key]);
    const version = Number(rows[0]?.[0] ?? 0);
    if (version > layout.steps.length) {
      throw new StoreOpenError(
        `${shownAddress(address)} was written by a newer version of Tablecast. It was left as it is.`,
      );
    }
    for (const step of layout.steps.slice(version)) await session.script(step);
    if (version < layout.steps.length) {
      await session.send('INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value', [
        key,
        String(layout.steps.length),
      ]);
    }
    await session.script('COMMIT');
  } catch (error) {
    await session.script('ROLLBACK').catch(() => {});
    throw error;
  }
}

async function checkServer(session: PgSession, address: PgAddress): Promise<void> {
  const settings = ['server_version_num', 'server_encoding', 'server_version', 'transaction_read_only'];
  const { rows } = await session.send(`SELECT ${settings.map((name) => `current_setting('${name}')`).join(', ')}`);
  const [version, encoding, shown, readOnly] = rows[0] as [string, string, string, string];
  const where = shownAddress(address);
  if (Number(version) < MIN_SERVER_VERSION) {
    throw new StoreOpenError(`${where} is PostgreSQL ${shown}; Tablecast needs version 13 or later.`);
  }
  if (encoding !== 'UTF8') {
    throw new StoreOpenError(`${where} has the encoding ${encoding}; create a database with ENCODING 'UTF8'.`);
  }
  if (readOnly === 'on') {
    throw new StoreOpenError(`${where} is read-only: it is a standby, or default_transaction_read_only is on.`);
  }
}
