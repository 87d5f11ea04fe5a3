import { setTimeout as pause } from 'node:timers/promises';
import { StoreOpenError } from '../../open-errors.ts';
import { type PgAddress, shownAddress } from '../database/address.ts';
import { isBusy } from '../database/errors.ts';
import type { PgSession } from '../database/session.ts';

/** Milliseconds that a statement waits for transactions that use a table; as long, others wait behind it. */
const LOCK_TIMEOUT_MS = 2000;
const TRIES = 15;
const PAUSE_MS = 200;

/**
 * Runs a change of a table that others use, again and again until their transactions let it. Throws StoreOpenError when one
 * does not end.
 */
export async function patiently(session: PgSession, address: PgAddress, run: () => Promise<void>): Promise<void> {
  await session.script(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
  for (let tries = TRIES; ; ) {
    try {
      return await run();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (--tries === 0) {
        const message = `${shownAddress(address)} has a transaction that does not end and keeps a table from being changed. End it, and start again.`;
        throw new StoreOpenError(message, { cause: error });
      }
      await pause(PAUSE_MS);
    }
  }
}

/** Runs statements in a transaction. */
export async function inTransaction(session: PgSession, run: () => Promise<void>): Promise<void> {
  await session.script('BEGIN');
  try {
    await run();
    await session.script('COMMIT');
  } catch (error) {
    await session.script('ROLLBACK').catch(() => {});
    throw error;
  }
}
