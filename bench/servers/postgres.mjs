// Servers on PostgreSQL, each with a database of its own: ours, and what is written by hand with Fastify and `pg`.
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { findPort } from '../lib/process.mjs';
import { makeDir, start, startServer, startTablecast, TITLES } from './start.mjs';

const ADMIN_URL = process.env.BENCH_PG ?? 'postgres://postgres@127.0.0.1:5432/test';
const HANDWRITTEN = fileURLToPath(new URL('handwritten-postgres.mjs', import.meta.url));

/** Why PostgreSQL cannot be used; undefined when it can. */
export async function findObstacle() {
  try {
    await runSql('SELECT 1');
  } catch (error) {
    return `no PostgreSQL at ${ADMIN_URL} (${error.message}): set BENCH_PG`;
  }
}

async function runSql(sql) {
  const client = new pg.Client({ connectionString: ADMIN_URL, connectionTimeoutMillis: 3000 });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Creates a database. */
export async function createDatabase() {
  const name = `tablecast_bench_${randomBytes(5).toString('hex')}`;
  await runSql(`CREATE DATABASE ${name}`);
  const url = new URL(ADMIN_URL);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => runSql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

/** Starts ours. `database`: one that another server uses, too; `config`: further lines of config.yaml. */
export async function startOnPostgres({ database, config = '', ...options }) {
  const own = database ?? (await createDatabase());
  return withDatabase(database === undefined ? own : undefined, () =>
    startTablecast({ ...options, config: `store: ${own.url}\n${config}` }),
  );
}

/** Starts the baseline. `writes`: how it stores one, see handwritten-postgres.mjs. */
export async function startByHand({ writes, messages = 0, notes = 0 }) {
  const database = await createDatabase();
  return withDatabase(database, () => {
    const options = { url: database.url, writes, messages, notes, titles: TITLES };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const open = async () => {
      const port = await findPort();
      return { port, child: startServer([HANDWRITTEN, '--port', String(port), ...args], {}) };
    };
    return start({ name: `by hand, ${writes}`, dir: makeDir(), open, listQuery: 'title=', heartbeat: false });
  });
}

async function withDatabase(database, open) {
  try {
    const server = await open();
    const { stop } = server;
    server.stop = async () => {
      await stop();
      await database?.drop();
    };
    return server;
  } catch (error) {
    await database?.drop();
    throw error;
  }
}
