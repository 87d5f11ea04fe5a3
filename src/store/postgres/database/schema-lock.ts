import { setTimeout as pause } from 'node:timers/promises';
import { StoreOpenError } from '../../open-errors.ts';
import { lockNumber, type PgAddress, shownAddress } from './address.ts';
import type { PgSession } from './session.ts';

/** Milliseconds that a start waits for another one, which may be changing tables. */
const START_TIMEOUT_MS = 60_000;
const RETRY_INTERVAL_MS = 100;

/**
 * Lock on the tables of a schema: a server shares the lock as long as it runs, and only one that is alone may change
 * them. Starts are made one after the other. The locks end with the connection.
 */
export class SchemaLock {
  readonly #session: PgSession;
  readonly #address: PgAddress;

  constructor(session: PgSession, address: PgAddress) {
    this.#session = session;
    this.#address = address;
  }

  /** Throws StoreOpenError while another server changes the tables. */
  async share(): Promise<void> {
    if (await this.#try('pg_try_advisory_lock_shared')) return;
    throw new StoreOpenError(`${shownAddress(this.#address)} is in use by another server${await this.#holders()}.`);
  }

  /** Shares the lock, and runs `start` while no other server starts. Throws StoreOpenError when another start takes too long. */
  async duringStart(start: () => Promise<void>): Promise<void> {
    const lock = lockNumber(this.#address, 'start');
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await this.#try('pg_try_advisory_lock', lock))) {
      if (performance.now() > deadline) {
        throw new StoreOpenError(
          `${shownAddress(this.#address)} is being changed by another server. Start again later.`,
        );
      }
      await pause(RETRY_INTERVAL_MS);
    }
    try {
      await this.share();
      await start();
    } finally {
      const locks = [lockNumber(this.#address, 'server'), lock];
      for (const one of locks) await this.#session.send(`SELECT pg_advisory_unlock(${one})`).catch(() => {});
    }
  }

  /** True when this server is alone; no other one starts or connects again until the start is over. Waits so long for others to end. */
  async claim(maxWaitMs: number): Promise<boolean> {
    const deadline = performance.now() + maxWaitMs;
    while (!(await this.#try('pg_try_advisory_lock'))) {
      if (performance.now() >= deadline) return false;
      await pause(RETRY_INTERVAL_MS);
    }
    return true;
  }

  /** Returns the error of a start that has to change tables while others use them. `changes`: those that they cannot go on with. */
  async refusal(changes: readonly string[]): Promise<StoreOpenError> {
    return new StoreOpenError(
      [
        `${shownAddress(this.#address)} is in use by another server with another schema${await this.#holders()}. Stop every server that has it, and start this one: it changes the tables in a way in which a running server cannot go on:`,
        ...changes.map((change) => `  ${change}`),
      ].join('\n'),
    );
  }

  async #try(how: string, lock = lockNumber(this.#address, 'server')): Promise<boolean> {
    const { rows } = await this.#session.send(`SELECT ${how}(${lock})`);
    return rows[0]?.[0] === 1;
  }

  /** Names one connection that has the lock. */
  async #holders(): Promise<string> {
    const { rows } = await this.#session.send(
      `SELECT a.pid, a.backend_start, a.client_addr FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
      WHERE l.locktype = 'advisory' AND l.granted AND a.pid <> pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((l.classid::bigint << 32) | l.objid::bigint) = $1::bigint LIMIT 1`,
      [lockNumber(this.#address, 'server')],
    );
    const [pid, since, address] = rows[0] ?? [];
    return pid === undefined ? '' : ` (connection ${pid} from ${address ?? 'this machine'} since ${since})`;
  }
}
