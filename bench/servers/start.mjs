// Starts the two kinds of server behind one shape: {name, port, pid, child, write(kind), stop()}.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { CORE_OF_SERVER, findPort, startNode, stopNode, waitFor200 } from '../lib/process.mjs';

import { AUTHORS, makeAuthor, makeProduct } from './products.mjs';

export const TITLES = 500;
export const CLI = process.env.BENCH_CLI ?? fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const HANDWRITTEN = fileURLToPath(new URL('handwritten.mjs', import.meta.url));
const COLLECT = fileURLToPath(new URL('../lib/collect.mjs', import.meta.url));
const BATCH = 1000;
const SCHEMA = `type Message @table(database: "bench") @export(rest: true ws: true sse: true) {
  id: ID! @primaryKey
  title: String!
  content: String!
}
type Note @table(database: "bench") @export(rest: true) {
  id: ID! @primaryKey
  title: String! @indexed
  content: String!
}
type Author @table(database: "bench") @export(rest: true) {
  id: ID! @primaryKey
  name: String!
}
type Product @table(database: "bench") @export(rest: true) @compositeIndex(fields: ["shelf", "price"]) {
  id: ID! @primaryKey
  name: String!
  kind: String! @indexed
  shelf: String!
  price: Int!
  authorId: ID!
  author: Author @relationship(from: "authorId")
}
type Chat @table(database: "bench") @export(rest: true ws: true) {
  id: ID! @primaryKey
  roomId: String!
  content: String!
}
type Line @table(database: "bench") @export(rest: true ws: true) @compositeIndex(fields: ["roomId", "made"]) {
  id: ID! @primaryKey
  roomId: String!
  made: Int!
  content: String!
}
`;
// Only where callers show who they are: the same records without a rule, with one for all, and with one for each; a card's
// board has the id of its owner, who is the one member.
const RULES_SCHEMA = [
  ['Free', 'public: [read, subscribe]', ''],
  ['Team', '', '@access(read: "team==$auth.team")'],
  ['Own', '', '@access(read: "ownerId==$auth.sub")'],
]
  .map(
    ([
      name,
      granted,
      access,
    ]) => `type ${name} @table(database: "bench") @export(rest: true ws: true ${granted}) ${access} {
  id: ID! @primaryKey
  team: String! @indexed
  ownerId: ID! @indexed
  content: String!
}
`,
  )
  .join('')
  .concat(`type Board @table(database: "bench") @export(rest: true) {
  id: ID! @primaryKey
  members: [Member] @relationship(to: "boardId")
}
type Member @table(database: "bench") @export(rest: true) {
  id: ID! @primaryKey
  boardId: ID! @indexed
  userId: ID! @indexed
}
type Card @table(database: "bench") @export(rest: true ws: true)
  @access(read: "board.members.userId==$auth.sub") {
  id: ID! @primaryKey
  team: String! @indexed
  ownerId: ID! @indexed
  content: String!
  board: Board @relationship(from: "ownerId")
}
`);

// A WebSocket with rooms, and an address where one of them is told something.
const ROOMS = 'routes: routes.js\nconnectors:\n  ws: {type: websocket}\n';
const ROUTES = `export const routes = {
  tell: { method: 'POST', handler: ({ rooms, body }) => ({ told: rooms.ws.sendToRoom('bench', body) }) },
};
`;

/**
 * `options`: rooms (a connector with them), config (further lines of config.yaml; Tablecast only), listCache (limits.list_cache; Tablecast only), pageMax (limits.page_max; Tablecast only), subscriptions (limits.subscriptions; Tablecast only), messages, notes and products to seed, synchronous, bare, batch and log (baseline only), collect (start with --expose-gc), secret
 * (of tokens, for tables with rules; Tablecast only), schema (instead of that of the benchmark; Tablecast only), lines ({count, make}: records that `tablecast import` writes before the start; Tablecast only).
 */
export async function startHandwritten(options = {}) {
  const dir = makeDir();
  const open = async () => {
    const port = await findPort();
    const args = ['--port', port, '--file', join(dir, 'bench.db'), '--synchronous', options.synchronous ?? 'FULL'];
    const seed = [
      '--messages',
      options.messages ?? 0,
      '--notes',
      options.notes ?? 0,
      '--titles',
      TITLES,
      '--products',
      options.products ?? 0,
    ];
    const flags = ['bare', 'batch', 'log'].filter((name) => options[name] === true).map((name) => `--${name}`);
    const child = startServer([HANDWRITTEN, ...args, ...seed, ...flags].map(String), options);
    return { port, child };
  };
  return start({
    name: `hand-written ${options.synchronous ?? 'FULL'}`,
    dir,
    open,
    listQuery: 'title=',
    heartbeat: false,
  });
}

export async function startTablecast(options = {}) {
  const dir = makeDir();
  const app = join(dir, 'my-app');
  mkdirSync(app);
  writeFileSync(join(app, 'schema.graphql'), options.schema ?? (options.secret === undefined ? SCHEMA : RULES_SCHEMA));
  const open = async () => {
    const port = await findPort();
    writeFileSync(join(app, 'config.yaml'), makeConfig(port, options) + (options.rooms === true ? ROOMS : ''));
    if (options.rooms === true) writeFileSync(join(app, 'routes.js'), ROUTES);
    const child = startServer([CLI, 'start', app], options);
    return { port, child };
  };
  if (options.lines !== undefined) await importLines(app, dir, options.lines);
  const server = await start({ name: 'Tablecast', dir, open, listQuery: 'title==', heartbeat: true });
  await post(server, 'Message', options.messages ?? 0, (i) => makeSeed(`msg-${i}`, 'Hello', `seed ${i}`));
  await post(server, 'Note', options.notes ?? 0, (i) =>
    makeSeed(`note-${i}`, `title-${i % TITLES}`, `seed ${i}`.padEnd(100, '.')),
  );
  const { products = 0 } = options;
  await post(server, 'Author', products === 0 ? 0 : AUTHORS, makeAuthor);
  await post(server, 'Product', products, makeProduct);
  return server;
}

/** Writes records with `tablecast import`, several times faster than requests. */
async function importLines(app, dir, { count, make }) {
  const file = join(dir, 'Line.ndjson');
  const lines = function* () {
    for (let i = 0; i < count; i++) yield `${JSON.stringify(make(i))}\n`;
  };
  await pipeline(Readable.from(lines()), createWriteStream(file));
  writeFileSync(join(app, 'config.yaml'), makeConfig(0, {}));
  const child = spawn(process.execPath, [CLI, 'import', file, app, '--table', 'Line'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  rmSync(file);
  if (code !== 0) throw new Error(`tablecast import ended with ${code}`);
}

export function startServer(args, options) {
  const collect = options.collect === true ? ['--expose-gc', '--import', COLLECT] : [];
  // For a look inside: BENCH_SERVER_ARGS="--cpu-prof --cpu-prof-dir=/some/where".
  const extra = process.env.BENCH_SERVER_ARGS?.split(' ') ?? [];
  return startNode([...extra, ...collect, ...args], { core: CORE_OF_SERVER });
}

export async function start({ name, dir, open, listQuery, heartbeat }) {
  const server = { name, listQuery, heartbeat };
  server.open = async () => {
    const { port, child } = await open();
    Object.assign(server, { port, child, pid: child.pid });
  };
  /** Stops and starts on the same data; gives the milliseconds from the spawn to the first 200 on a record. */
  server.restart = async () => {
    await stopNode(server.child);
    const from = performance.now();
    await server.open();
    const url = `http://127.0.0.1:${server.port}/my-app/Message/msg-1`;
    await waitFor200(url, { everyMs: 5, timeoutMs: 15_000, child: server.child });
    return performance.now() - from;
  };
  server.stop = async () => {
    await stopNode(server.child);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await server.open();
    const url = `http://127.0.0.1:${server.port}/health/ready`;
    await waitFor200(url, { everyMs: 20, timeoutMs: 15_000, child: server.child });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

export function makeDir() {
  return mkdtempSync(join(parentDir(), 'tablecast-bench-'));
}

/** Where the data of all servers lies. */
export function parentDir() {
  return process.env.BENCH_DIR ?? tmpdir();
}

// The limits are for people; the benchmark comes as thousands of clients from one machine. The baseline has no log either.
function makeConfig(port, { secret, listCache, pageMax, subscriptions, config = '' }) {
  const limits = { list_cache: listCache, page_max: pageMax, subscriptions };
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  const auth = secret === undefined ? '' : `auth:\n  jwt:\n    secret: ${secret}\n`;
  return `${auth}${config}app_id: my-app
host: 127.0.0.1
port: ${port}
rest: true
ws: true
sse: true
schemas:
  - schema.graphql
logging:
  level: error
limits:
  connections: 20000
  connections_per_principal: 0
  messages_per_second: 100000
  messages_burst: 100000
${given.map(([name, value]) => `  ${name}: ${value}\n`).join('')}`;
}

function makeSeed(id, title, content) {
  return { id, title, content };
}

/** Creates `count` records, many with each request, for the bearer of the token. */
export async function post({ port, token }, table, count, make) {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  for (let from = 0; from < count; from += BATCH) {
    const body = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => make(from + i));
    const response = await fetch(`http://127.0.0.1:${port}/my-app/${table}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization },
      body: JSON.stringify(body),
    });
    if (response.status !== 201) throw new Error(`seeding ${table}: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  }
}
