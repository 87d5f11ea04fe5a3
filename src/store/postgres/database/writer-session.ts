import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../../../errors.ts';
import { readVersion } from '../migrate/versions.ts';
import type { PgAddress } from './address.ts';
import { SchemaLock } from './schema-lock.ts';
import { PgSession } from './session.ts';

/** Milliseconds between looks whether a process of the server has ended. */
const END_INTERVAL_MS = 20;

/** The connection on which everything is written. While it is open, no other server changes the tables of the schema. */
export class WriterSession {
  readonly #address: PgAddress;
  #session: PgSession | undefined;
  #opening: Promise<PgSession> | undefined;
  /** Key of the schema with which this server has opened the tables. */
  #schema: string | undefined;
  /** Called before a connection is used that was made in place of a lost one: it may be to a copy of the database. */
  onReconnect: () => Promise<void> = async () => {};

  constructor(address: PgAddress) {
    this.#address = address;
  }

  /**
   * Returns the connection; a lost one is made again. Rejects with the driver's error, StoreOpenError while another server
   * changes the tables, and STORAGE_BUSY when one has changed them.
   */
  async open(): Promise<PgSession> {
    const session = this.#session;
    if (session !== undefined && session.failure === undefined) return session;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Must be called when this server has opened the tables, with the key of its schema. */
  opened(schema: string): void {
    this.#schema = schema;
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

  async #connect(): Promise<PgSession> {
    const session = await PgSession.connect(this.#address);
    try {
      // At the start the migration takes the lock.
      if (this.#schema !== undefined) {
        await new SchemaLock(session, this.#address).share();
        // While this server was away, another one may have been started with a schema beside which it cannot run.
        if ((await readVersion(session, this.#schema)) === undefined) throw tablesChanged();
      }
      if (this.#session !== undefined) await this.onReconnect();
    } catch (error) {
      await session.close();
      throw error;
    }
    this.#session = session;
    return session;
  }
}

function tablesChanged(): AppError {
  const message = 'Another server has changed the tables of this schema; start this one again.';
  return new AppError('STORAGE_BUSY', message, { headers: { 'retry-after': '1' } });
}
