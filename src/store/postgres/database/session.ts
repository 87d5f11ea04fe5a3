import pg from 'pg';
import { quote } from '../sql/names.ts';
import type { PgStatement } from '../sql/params.ts';
import { type Param, readInteger, readTime } from '../sql/types.ts';
import type { PgAddress } from './address.ts';
import { BurstQuery, type PgResult, type PgRows } from './burst-query.ts';

export type { PgResult, PgRows };

const CONNECT_TIMEOUT_MS = 5000;
/** Milliseconds for which a statement may run. Without a bound, a slow list would never give its connection back. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** Milliseconds that a write waits for a record which another transaction has changed. */
const LOCK_TIMEOUT_MS = 500;
/** Milliseconds after which the server ends a transaction whose client says nothing: a paused process holds no record. */
const IDLE_TRANSACTION_MS = 2000;

const PARSERS = new Map<number, (text: string) => unknown>([
  [16, (text) => (text === 't' ? 1 : 0)],
  [20, readInteger],
  [21, Number],
  [23, Number],
  [26, Number],
  [701, Number],
  [1184, readTime],
]);

const keepText = (text: string) => text;
const parserOf = (oid: number) => PARSERS.get(oid) ?? keepText;

/** Statements that a session keeps prepared. */
const MAX_STATEMENTS = 500;

/**
 * Names of prepared statements by their text. Queries of clients make ever new ones: a statement is prepared when it comes
 * for the second time, and only so many are.
 */
class StatementNames {
  readonly #names = new Map<string, string>();
  #seen = new Set<string>();

  /** Returns the name under which the statement is prepared; undefined for one that is not. */
  of(sql: string): string | undefined {
    const known = this.#names.get(sql);
    if (known !== undefined || this.#names.size >= MAX_STATEMENTS) return known;
    if (!this.#seen.delete(sql)) {
      if (this.#seen.size >= MAX_STATEMENTS) this.#seen = new Set();
      this.#seen.add(sql);
      return undefined;
    }
    const name = `t${this.#names.size}`;
    this.#names.set(sql, name);
    return name;
  }
}

/** Runs a statement outside of a transaction. */
export type SendSql = (sql: string, params: readonly Param[]) => Promise<PgResult>;

/** Connection to the server, on which statements are sent without waiting for the answers to earlier ones. */
export class PgSession {
  readonly #client: pg.Client;
  readonly #names = new StatementNames();
  /** Number of statements without an answer. */
  #pending = 0;
  #failure: unknown;
  readonly #ended = new AbortController();

  private constructor(client: pg.Client) {
    this.#client = client;
    client.on('error', (error) => {
      this.#failure ??= error;
    });
    client.on('end', () => {
      this.#failure ??= new Error('The connection has ended.');
      this.#ended.abort();
    });
  }

  /** Connects. Rejects with the driver's error. */
  static async connect(address: PgAddress): Promise<PgSession> {
    const client = new pg.Client({
      connectionString: address.url,
      pipeline: true,
      application_name: 'tablecast',
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      options: settingsOf(address),
    } as pg.ClientConfig);
    const session = new PgSession(client);
    try {
      await client.connect();
    } catch (error) {
      // Where the login fails on this side, the driver leaves the connection open.
      client.end().catch(() => {});
      throw error;
    }
    return session;
  }

  /** Error that ended the connection; undefined while it can be used. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Aborted when the connection has ended. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Number of the server's process. */
  get processId(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  /** Sends a statement; resolves with its answer. Statements of one session are executed in order. */
  async send(sql: string, params: readonly Param[] = []): Promise<PgResult> {
    return (await this.burst([{ sql, params }]))[0] as PgResult;
  }

  async run(statement: PgStatement): Promise<PgResult> {
    return (await this.burst([statement]))[0] as PgResult;
  }

  /**
   * Sends statements that are answered together. Rejects with the error of the first one that fails; those after it are not
   * executed, and a transaction that was open stays open.
   */
  async burst(statements: readonly PgStatement[]): Promise<readonly PgResult[]> {
    this.#pending++;
    const named = statements.map(({ sql, params }) => ({ sql, params, name: this.#names.of(sql) }));
    try {
      return await new Promise((resolve, reject) => {
        this.#client.query(new BurstQuery(named, { parserOf, resolve, reject }) as unknown as pg.Submittable);
      });
    } finally {
      this.#pending--;
    }
  }

  /** Sends statements that have no parameters. */
  async script(sql: string): Promise<void> {
    await this.#client.query(sql);
  }

  /** Calls back with the payload of every notification of this session. */
  onNotification(listener: (payload: string) => void): void {
    this.#client.on('notification', ({ payload = '' }) => listener(payload));
  }

  async close(): Promise<void> {
    if (this.#failure === undefined) await this.#client.end().catch(() => {});
  }
}

/** Returns the settings of a session, as the server takes them at the start of a connection. */
function settingsOf({ schema, durability = 'full' }: PgAddress): string {
  const settings = {
    search_path: quote(schema),
    timezone: 'UTC',
    datestyle: 'ISO',
    synchronous_commit: durability === 'full' ? 'on' : 'off',
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
    client_min_messages: 'warning',
    // The triggers for writes of other programs are silent.
    'tablecast.writer': 'server',
  };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${String(value).replace(/[\\ ]/g, '\\$&')}`)
    .join(' ');
}
