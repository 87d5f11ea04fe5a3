import type { PgStatement } from '../sql/params.ts';
import type { Param } from '../sql/types.ts';
import type { PgAddress } from './address.ts';
import { storageError } from './errors.ts';
import { type PgResult, PgSession } from './session.ts';

/** Connections for reads. Each takes several statements at once; more are opened while all are in use. */
export class Readers {
  readonly #address: PgAddress;
  readonly #sessions: PgSession[] = [];
  #opening: Promise<PgSession> | undefined;
  #closed = false;

  constructor(address: PgAddress) {
    this.#address = address;
  }

  /** Runs a statement that only reads. Throws STORAGE_BUSY while the database cannot be reached. */
  async read(statement: PgStatement): Promise<PgResult> {
    try {
      const session = this.#idlest() ?? (await this.#open());
      return await session.run(statement);
    } catch (error) {
      throw storageError(error);
    }
  }

  send(sql: string, params: readonly Param[] = []): Promise<PgResult> {
    return this.read({ sql, params });
  }

  /** Returns the server's plan for a statement as JSON, where it avoids to read whole tables. */
  async explain(sql: string, params: readonly Param[]): Promise<string> {
    try {
      const session = this.#idlest() ?? (await this.#open());
      const off = ['seqscan', 'hashjoin', 'mergejoin'].map((name) => `SET LOCAL enable_${name} = off`);
      const sent = ['BEGIN', ...off].map((text) => session.send(text));
      const plan = session.send(`EXPLAIN (FORMAT JSON) ${sql}`, params);
      await Promise.allSettled([...sent, plan, session.send('COMMIT')]);
      return (await plan).rows[0]?.[0] as string;
    } catch (error) {
      throw storageError(error);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => {});
    await Promise.all(this.#sessions.splice(0).map((session) => session.close()));
  }

  /** Returns the session with the fewest statements, and opens one more where each has some. */
  #idlest(): PgSession | undefined {
    let best: PgSession | undefined;
    for (let at = this.#sessions.length - 1; at >= 0; at--) {
      const session = this.#sessions[at] as PgSession;
      if (session.failure !== undefined) this.#sessions.splice(at, 1);
      else if (best === undefined || session.pending < best.pending) best = session;
    }
    if (best !== undefined && best.pending > 0 && this.#sessions.length < this.#address.pool) {
      this.#open().catch(() => {});
    }
    return best;
  }

  #open(): Promise<PgSession> {
    this.#opening ??= PgSession.connect(this.#address)
      .then((session) => {
        if (this.#closed) void session.close();
        else this.#sessions.push(session);
        return session;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }
}
