import { createHash, randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { StorageEngine } from '../../../src/store/engine.ts';
import { type PostgresOptions, postgresEngine } from '../../../src/store/postgres/engine.ts';

/** Where the tests find a PostgreSQL server; each file of tests has schemas of its own there. */
export const TEST_URL = process.env.TABLECAST_TEST_PG ?? 'postgres://postgres@127.0.0.1:5432/test';

/** Why the tests cannot run on a server; undefined when they can. */
export const unreachable: string | undefined = await reach();

/** End of a title: why its tests are skipped. */
export const reason = unreachable === undefined ? '' : `: ${unreachable}`;

async function reach(): Promise<string | undefined> {
  const client = new Client({ connectionString: TEST_URL, connectionTimeoutMillis: 3000 });
  try {
    await client.connect();
    await client.end();
    return undefined;
  } catch (error) {
    const reason = `PostgreSQL is not reachable at ${TEST_URL} (${(error as Error).message})`;
    // In CI they have to run.
    if (process.env.CI === 'true') throw new Error(reason);
    return reason;
  }
}

type Row = Record<string, unknown>;
export type RunSql = (sql: string, params?: readonly unknown[]) => Promise<Row[]>;

/** Runs SQL beside the engine, as psql would. */
export function runSql(sql: string, params: readonly unknown[] = [], url = TEST_URL): Promise<Row[]> {
  return onConnection((run) => run(sql, params), url);
}

/** Runs several statements beside the engine on one connection, of which each costs the server a process. */
export async function onConnection<T>(work: (run: RunSql) => Promise<T>, url = TEST_URL): Promise<T> {
  const client = new Client({ connectionString: url });
  // A server that goes down says so also after the last answer.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(async (sql, params = []) => (await client.query(sql, params as unknown[])).rows as Row[]);
  } finally {
    await client.end();
  }
}

/** Schemas of one file of tests, which are dropped at its end. */
export class TestSchemas {
  readonly #prefix = `tablecast_test_${randomBytes(5).toString('hex')}`;
  readonly #made = new Set<string>();

  /** The schema that stands for a data directory. */
  of(dir: string): string {
    const schema = `${this.#prefix}_${createHash('sha256').update(dir).digest('hex').slice(0, 10)}`;
    this.#made.add(schema);
    return schema;
  }

  async drop(): Promise<void> {
    const made = [...this.#made];
    this.#made.clear();
    // One transaction for each: all together they would need more locks than the server has.
    await onConnection(async (run) => {
      for (const name of made) await run(`DROP SCHEMA IF EXISTS "${name}" CASCADE`);
    });
  }

  /** An engine that keeps what belongs to a data directory in a schema for it. Its clock is that of the test. */
  engine(url = TEST_URL, options: Partial<PostgresOptions> = {}): StorageEngine {
    const clock = () => Date.now();
    const at = (dir: string) =>
      postgresEngine({ url, schema: this.of(dir), pool: 2, maxLookupMs: 1000, clock, ...options });
    return {
      openRecords: (plan, options) => at(options.dir).openRecords(plan, options),
      openAccounts: (options) => at(options.dir).openAccounts(options),
      openFlows: (options) => at(options.dir).openFlows(options),
      openSnapshot: (plan, options) => at(options.dir).openSnapshot(plan, options),
      previewMigration: (plan, options) => at(options.dir).previewMigration(plan, options),
    };
  }
}
