import type { Param } from '../sql/types.ts';
import type { PgAddress } from './address.ts';
import { describeOpenError, storageError } from './errors.ts';
import type { Layout } from './layout.ts';
import { prepareLayout } from './layout.ts';
import { type PgRows, PgSession } from './session.ts';

/** Runs a statement of a transaction. */
export type Run = (sql: string, params?: readonly Param[]) => Promise<PgRows>;

/** Connection of one part of the store that is used rarely: it is made again when it was lost, and does one thing after the other. */
export class WorkSession {
  readonly #address: PgAddress;
  #session: PgSession;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(address: PgAddress, session: PgSession) {
    this.#address = address;
    this.#session = session;
  }

  /** Connects, and creates or upgrades the tables. Throws StoreOpenError. */
  static async open(address: PgAddress, layout: Layout): Promise<WorkSession> {
    let session: PgSession | undefined;
    try {
      session = await PgSession.connect(address);
      await prepareLayout(session, address, layout);
      return new WorkSession(address, session);
    } catch (error) {
      await session?.close();
      throw describeOpenError(address, error);
    }
  }

  /** Runs one statement. Throws STORAGE_BUSY and STORAGE_FULL. */
  run(sql: string, params: readonly Param[] = []): Promise<PgRows> {
    return this.#next(async (session) => (await session.send(sql, params)).rows);
  }

  /** Runs statements in one transaction. Throws STORAGE_BUSY and STORAGE_FULL; then nothing was changed. */
  transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return this.#next(async (session) => {
      await session.send('BEGIN');
      try {
        const result = await work(async (sql, params = []) => (await session.send(sql, params)).rows);
        await session.send('COMMIT');
        return result;
      } catch (error) {
        if (session.failure === undefined) await session.send('ROLLBACK').catch(() => {});
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#session.close();
  }

  #next<T>(use: (session: PgSession) => Promise<T>): Promise<T> {
    const turn = this.#queue.then(async () => {
      try {
        if (this.#session.failure !== undefined) this.#session = await PgSession.connect(this.#address);
        return await use(this.#session);
      } catch (error) {
        throw storageError(error);
      }
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }
}
