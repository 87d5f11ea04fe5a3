import { setTimeout as pause } from 'node:timers/promises';
import { StoreOpenError } from '../../open-errors.ts';
import { lockNumber, type PgAddress, shownAddress } from './address.ts';
import { PgSession } from './session.ts';

/** Milliseconds between looks whether a process of the server has ended. */
const END_INTERVAL_MS = 20;

/** The connection on which everything is written. It holds the lock of the schema: one server writes at a time. */
export class WriterSession {
  readonly #address: PgAddress;
  #session: PgSession | undefined;
  #opening: Promise<PgSession> | undefined;

  constructor(address: PgAddress) {
    this.#address = address;
  }

  /** Returns the connection; a lost one is made again. Rejects with the driver's error, and StoreOpenError where another server has the schema. */
  async open(): Promise<PgSession> {
    const session = this.#session;
    if (session !== undefined && session.failure === undefined) return session;
    this.#opening ??= this.#connect(session).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Ends the server's process of a lost connection, and waits until it has ended. */
  async end({ processId }: PgSession): Promise<void> {
    const session = await this.open();
    for (;;) {
      const { rows } = await session.send(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND pid <> pg_backend_pid() AND application_name = $2',
        [processId, 'tablecast'],
      );
      if (rows.length === 0) return;
      await pause(END_INTERVAL_MS);
    }
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.#session?.close();
  }

  async #connect(lost: PgSession | undefined): Promise<PgSession> {
    const session = await PgSession.connect(this.#address);
    try {
      await this.#lock(session, lost);
    } catch (error) {
      await session.close();
      throw error;
    }
    this.#session = session;
    return session;
  }

  /** Takes the lock of the schema. The process of a lost connection of this server may still have it. */
  async #lock(session: PgSession, lost: PgSession | undefined): Promise<void> {
    const lock = lockNumber(this.#address, 'server');
    const { rows } = await session.send(`SELECT pg_try_advisory_lock(${lock})`);
    if (rows[0]?.[0] === 1) return;
    if (lost !== undefined) {
      await session.send('SELECT pg_terminate_backend($1) FROM pg_stat_activity WHERE pid = $1', [lost.processId]);
      await pause(END_INTERVAL_MS);
      const again = await session.send(`SELECT pg_try_advisory_lock(${lock})`);
      if (again.rows[0]?.[0] === 1) return;
    }
    const { rows: holders } = await session.send(
      `SELECT a.pid, a.backend_start, a.client_addr FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
      WHERE l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32) + l.objid::bigint = $1::bigint LIMIT 1`,
      [lock],
    );
    const [pid, since, address] = holders[0] ?? [];
    const holder = pid === undefined ? '' : ` (connection ${pid} from ${address ?? 'this machine'} since ${since})`;
    throw new StoreOpenError(
      `${shownAddress(this.#address)} is in use by another server${holder}. Stop it, or give this application another app_id or database.`,
    );
  }
}
