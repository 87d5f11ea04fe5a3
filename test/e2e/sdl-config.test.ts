import { readdir, rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  BASE_CONFIG,
  MESSAGE_SCHEMA,
  makeApp,
  runToExit,
  startServer,
  startToExit,
  type TestServer,
} from '../support/app.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const record = { title: 'Hello', content: 'World' };
const FREE_PORT = 'port: 0\nhost: 127.0.0.1\nschemas:\n  - schema.graphql\n';

describe('schema and configuration', { timeout: 120_000 }, () => {
  test('the schema of the specification makes one empty table', async () => {
    await using server = await startServer({ schema: MESSAGE_SCHEMA });
    const answer = await server.ask('GET', 'Message');
    expect(answer.status).toBe(200);
    expect(answer.records).toEqual([]);
  });

  test('the same schema on one line and with commas between the arguments is the same table', async () => {
    const schema = `type Message @table(database: "realtime-demo") @export(rest: true, ws: true) { id: ID! @primaryKey, title: String!, content: String! }`;
    await using server = await startServer({ schema });
    expect((await server.put('Message/msg-1', record)).record).toEqual({ id: 'msg-1', ...record });
  });

  test('four lines of configuration are enough, and the port is 9996', async () => {
    const config = 'rest: true\nws: true\nschemas:\n  - schema.graphql\n';
    await using server = await startServer({ config });
    expect(server.port).toBe(9996);
    const answer = await ask('GET', 'http://localhost:9996/my-app/Message');
    expect(answer.status).toBe(200);
    const health = await ask('GET', 'http://localhost:9996/health/ready');
    expect(health.status).toBe(200);
  });

  test('the prefix is the name of the folder, unless app_id says otherwise', async () => {
    await using byFolder = await startServer({ name: 'some-folder' });
    expect((await ask('GET', `${byFolder.origin}/some-folder/Message`)).status).toBe(200);
    expect((await ask('GET', `${byFolder.origin}/my-app/Message`)).status).toBe(404);
    await using byConfig = await startServer({ config: `app_id: other\n${BASE_CONFIG}` });
    expect((await ask('GET', `${byConfig.origin}/other/Message`)).status).toBe(200);
    expect((await ask('GET', `${byConfig.origin}/my-app/Message`)).status).toBe(404);
  });

  test('a WebSocket opens when schema and configuration both say so', async () => {
    await using server = await startServer();
    using client = await WsClient.open(server.wsUrl('Message'));
    expect(client.isOpen).toBe(true);
  });
});

// One type for each way to speak of a transport in the schema.
const SWITCHES = `
type Plain @table @export { id: ID! @primaryKey title: String! content: String! }
type AllOn @table @export(rest: true, sse: true, ws: true) { id: ID! @primaryKey title: String! content: String! }
type NoRest @table @export(rest: false) { id: ID! @primaryKey title: String! content: String! }
type NoSse @table @export(sse: false) { id: ID! @primaryKey title: String! content: String! }
type NoWs @table @export(ws: false) { id: ID! @primaryKey title: String! content: String! }
`;

/** Which of the transports answer for a table: `rest sse ws` when all do. */
async function open(server: TestServer, table: string): Promise<string> {
  const found: string[] = [];
  const rest = await server.ask('GET', table);
  if (rest.status === 200) found.push('rest');
  else expect(rest.status).toBe(404);
  using sse = await SseClient.open(server.url(table));
  if (sse.status === 200) found.push('sse');
  else expect(sse.status).toBe(404);
  try {
    using _socket = await WsClient.open(server.wsUrl(table));
    found.push('ws');
  } catch {
    expect((await refusedUpgrade(server.wsUrl(table))).status).toBe(404);
  }
  return found.join(' ');
}

/** True when one line of the log names all of these. */
const isLogged = (server: TestServer, ...words: readonly string[]): boolean =>
  server.stdout.split('\n').some((line) => words.every((word) => line.includes(word)));

describe('switching transports off', { timeout: 120_000 }, () => {
  test.each([
    ['says nothing', ''],
    ['says true', 'rest: true\nsse: true\nws: true\n'],
  ])('when the configuration %s, only a false in the schema closes a transport', async (_name, lines) => {
    await using server = await startServer({ schema: SWITCHES, config: FREE_PORT + lines });
    expect(await open(server, 'Plain')).toBe('rest sse ws');
    expect(await open(server, 'AllOn')).toBe('rest sse ws');
    expect(await open(server, 'NoRest')).toBe('sse ws');
    expect(await open(server, 'NoSse')).toBe('rest ws');
    expect(await open(server, 'NoWs')).toBe('rest sse');
    expect(isLogged(server, 'NoWs', '@export(ws: false)')).toBe(true);
    expect(isLogged(server, 'NoSse', '@export(sse: false)')).toBe(true);
    expect(isLogged(server, 'NoRest', '@export(rest: false)')).toBe(true);
    expect(isLogged(server, 'AllOn', 'false)')).toBe(false);
  });

  test.each([
    ['rest', 'sse ws'],
    ['sse', 'rest ws'],
    ['ws', 'rest sse'],
  ])('%s: false in config.yaml closes it for every table, and the log says so', async (transport, rest) => {
    await using server = await startServer({ schema: SWITCHES, config: `${FREE_PORT}${transport}: false\n` });
    expect(await open(server, 'Plain')).toBe(rest);
    expect(await open(server, 'AllOn')).toBe(rest);
    expect(isLogged(server, 'AllOn', `${transport}: false in config.yaml`)).toBe(true);
  });

  test('only exported tables have an endpoint, under their export name', async () => {
    const schema = `
type Inner @table { id: ID! @primaryKey name: String! }
type Address { street: String! city: String }
type Person @table @export { id: ID! @primaryKey address: Address }
type Note @table @export(name: "message" rest: true) { id: ID! @primaryKey text: String! }
`;
    await using server = await startServer({ schema });
    for (const path of ['Inner', 'Address', 'Note', 'Inner/1']) {
      expect((await server.ask('GET', path)).status, path).toBe(404);
      expect((await refusedUpgrade(server.wsUrl(path))).status, path).toBe(404);
    }
    expect((await server.ask('GET', 'message')).records).toEqual([]);
    const person = { address: { street: 'Elm 1', city: 'Ulm' } };
    await server.put('Person/p1', person);
    expect((await server.ask('GET', 'Person/p1')).record).toEqual({ id: 'p1', ...person });
    const wrong = await server.ask('PUT', 'Person/p2', { json: { address: { city: 'Ulm' } } });
    expect(wrong.status).toBe(400);
    expect(wrong.text).toContain('address.street');
  });
});

describe('directives', { timeout: 120_000 }, () => {
  test('a record of a table with expiration is removed, and its channel says so', async () => {
    const schema = `type Short @table(database: "d", table: "stored_name", expiration: 1) @export { id: ID! @primaryKey }`;
    await using server = await startServer({ schema });
    using client = await WsClient.subscribe(server.wsUrl('Short'));
    await server.put('Short/s1', {});
    expect((await client.next()).message_type).toBe('Update');
    const gone = await client.next(undefined, 10_000);
    expect(gone).toMatchObject({ message_type: 'Delete', id: 's1', data: { id: 's1' } });
    expect((await server.ask('GET', 'Short/s1')).status).toBe(404);
  });

  test('@expiresAt removes the record at its own time', async () => {
    const schema = `type Ticket @table @export { id: ID! @primaryKey until: Date @expiresAt }`;
    await using server = await startServer({ schema });
    using client = await WsClient.subscribe(server.wsUrl('Ticket'));
    const until = new Date(Date.now() + 1_000).toISOString();
    await server.put('Ticket/stays', {});
    await server.put('Ticket/goes', { until });
    const gone = await client.next((frame) => frame.message_type === 'Delete', 10_000);
    expect(gone.id).toBe('goes');
    expect(Date.parse(gone.timestamp)).toBeGreaterThanOrEqual(Date.parse(until));
    expect((await server.ask('GET', 'Ticket')).records).toEqual([{ id: 'stays', until: null }]);
  });

  test('@default fills what is not sent, and @createdTime and @updatedTime are the times of the server', async () => {
    const schema = `
type Task @table @export {
  id: ID! @primaryKey
  state: String! @default(value: "open")
  rank: Int @default(value: 3)
  note: String
  made: Date @createdTime
  changed: Date @updatedTime
}`;
    await using server = await startServer({ schema });
    const before = Date.now();
    const first = (await server.put('Task/t1', {})).record;
    expect(first).toMatchObject({ id: 't1', state: 'open', rank: 3, note: null });
    expect(Date.parse(String(first.made))).toBeGreaterThanOrEqual(before);
    expect(first.changed).toBe(first.made);
    const second = (await server.ask('PATCH', 'Task/t1', { json: { note: 'x' } })).record;
    expect(second.made).toBe(first.made);
    expect(Date.parse(String(second.changed))).toBeGreaterThanOrEqual(Date.parse(String(first.changed)));
    const forged = await server.ask('PATCH', 'Task/t1', { json: { made: '2020-01-01T00:00:00.000Z' } });
    expect(forged.status).toBe(400);
    expect(forged.text).toContain('made');
  });

  test('@unique refuses a second record with the same value, and @indexed changes no answer', async () => {
    const schema = `type User @table @export { id: ID! @primaryKey email: String! @unique city: String @indexed }`;
    await using server = await startServer({ schema });
    await server.put('User/u1', { email: 'a@example.com', city: 'Ulm' });
    const second = await server.ask('PUT', 'User/u2', { json: { email: 'a@example.com' } });
    expect(second.status).toBe(409);
    expect(second.record.code).toBe('CONFLICT');
    expect((await server.ask('GET', 'User?city=Ulm')).records).toHaveLength(1);
  });
});

describe('mistakes', { timeout: 120_000 }, () => {
  test.each([
    ['an unknown directive', 'type Message @tabel @export {\n  id: ID! @primaryKey\n}\n', 1, ['@tabel', '@table']],
    ['no primary key', 'type Message @table @export {\n  id: ID!\n}\n', 1, ['Message', 'primaryKey']],
    [
      'two primary keys',
      'type Message @table @export {\n  id: ID! @primaryKey\n  key: ID! @primaryKey\n}\n',
      3,
      ['Message', 'primaryKey'],
    ],
    [
      'an unknown type',
      'type Message @table @export {\n  id: ID! @primaryKey\n  title: Strng!\n}\n',
      3,
      ['Strng', 'String'],
    ],
    ['an unknown argument', 'type Message @table @export(wss: true) {\n  id: ID! @primaryKey\n}\n', 1, ['wss']],
    [
      'a syntax error',
      'type Message @table @export {\n  id: ID! @primaryKey\n  title String!\n}\n',
      3,
      ['schema.graphql'],
    ],
  ])('%s ends the start with its place and nothing created', async (_name, schema, line, words) => {
    const app = await makeApp({ schema });
    try {
      const exit = await runToExit(['start', app.dir]);
      expect(exit.code).toBe(1);
      expect(exit.stderr).toMatch(new RegExp(`schema\\.graphql:${line}:\\d+`));
      for (const word of words) expect(exit.stderr).toContain(word);
      expect((await readdir(app.dir)).sort()).toEqual(['config.yaml', 'schema.graphql']);
    } finally {
      if (app.root !== undefined) await rm(app.root, { recursive: true });
    }
  });

  test('all mistakes of a schema are reported at once', async () => {
    const schema =
      'type A @tabel @export {\n  id: ID! @primaryKey\n}\ntype B @table @export {\n  id: ID!\n  n: Itn\n}\n';
    const exit = await startToExit({ schema });
    expect(exit.code).toBe(1);
    for (const place of ['schema.graphql:1:', 'schema.graphql:4:', 'schema.graphql:6:'])
      expect(exit.stderr).toContain(place);
  });

  test('an unknown key in config.yaml ends the start with its place and a suggestion', async () => {
    const exit = await startToExit({ config: `${BASE_CONFIG}schemass: []\n` });
    expect(exit.code).toBe(1);
    expect(exit.stderr).toMatch(/config\.yaml:7:1/);
    expect(exit.stderr).toContain('schemas');
  });
});
