import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, MESSAGE_SCHEMA, startServer, startToExit, type TestServer } from '../support/app.ts';
import { runCommand } from '../support/cli.ts';
import { ask } from '../support/http.ts';
import { PostgresProxy } from '../support/postgres/proxy.ts';
import { reason, runSql, TEST_URL, unreachable } from '../support/postgres/server.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const CONFIG = `${BASE_CONFIG}store: \${DATABASE_URL}\nbusy_timeout: 1s\n`;
const apps: string[] = [];

afterAll(async () => {
  for (const app of apps) await runSql(`DROP SCHEMA IF EXISTS "tablecast_${app}" CASCADE`);
});

/** Name of an application that nobody else stores in this database. */
function newApp(): string {
  const app = `e2e-${randomBytes(5).toString('hex')}`;
  apps.push(app);
  return app;
}

function start(name: string, url = TEST_URL, config = CONFIG): Promise<TestServer> {
  return startServer({ name, schema: MESSAGE_SCHEMA, config, env: { DATABASE_URL: url } });
}

describe.skipIf(unreachable !== undefined)(`a server on PostgreSQL${reason}`, () => {
  test('serves REST, Server-Sent Events and WebSockets, and nothing is lost by kill -9', {
    timeout: 120_000,
  }, async () => {
    const app = newApp();
    await using server = await start(app);
    const at = (path: string) => `${server.origin}/${app}/${path}`;
    const put = (id: string, title: string) => ask('PUT', at(`Message/${id}`), { json: { title, content: 'c' } });
    using socket = await WsClient.subscribe(at('Message').replace('http', 'ws'));
    using stream = await SseClient.subscribe(at('Message'));
    expect((await put('a', 'one')).status).toBe(201);
    expect((await put('a', 'two')).status).toBe(200);
    expect((await ask('GET', at('Message?title==two&select=id'))).records).toEqual([{ id: 'a' }]);
    const [first, second] = [await socket.next(), await socket.next()];
    expect([first.data, second.data]).toMatchObject([{ title: 'one' }, { title: 'two' }]);
    await stream.events.next((event) => event.data.includes('two'));
    await server.kill();
    await server.restart();
    expect((await put('b', 'three')).status).toBe(201);
    using resumed = await SseClient.open(at('Message'), { lastEventId: String(first.seq) });
    expect((await resumed.events.next((event) => event.data.includes('title'))).data).toContain('two');
    expect((await resumed.events.next((event) => event.data.includes('title'))).data).toContain('three');
    const stored = await runSql(`SELECT id, title FROM "tablecast_${app}"."realtime-demo/message" ORDER BY id`);
    expect(stored).toEqual([
      { id: 'a', title: 'two' },
      { id: 'b', title: 'three' },
    ]);
  });

  test('makes totals, also live ones', { timeout: 120_000 }, async () => {
    const app = newApp();
    await using server = await start(app);
    const at = (path: string) => `${server.origin}/${app}/${path}`;
    const put = (id: string, title: string) => ask('PUT', at(`Message/${id}`), { json: { title, content: 'c' } });
    for (const [id, title] of [
      ['a', 'x'],
      ['b', 'B'],
      ['c', '😀'],
    ] as const)
      expect((await put(id, title)).status).toBe(201);
    const query = 'Message?aggregate=count,min(title),max(title)&group=content';
    expect((await ask('GET', at(query))).records).toEqual([
      { content: 'c', count: 3, min_title: 'B', max_title: '😀' },
    ]);
    using socket = await WsClient.subscribe(at(query).replace('http', 'ws'));
    await ask('DELETE', at('Message/b'));
    await ask('DELETE', at('Message/c'));
    const last = await socket.next(({ data }) => (data as { count?: number }).count === 1);
    expect(last.data).toEqual({ content: 'c', count: 1, min_title: 'x', max_title: 'x' });
  });

  test('answers 503 with Retry-After while the database is away, and goes on when it is back', {
    timeout: 120_000,
  }, async () => {
    const app = newApp();
    await using proxy = await PostgresProxy.open();
    await using server = await start(app, proxy.url);
    const url = `${server.origin}/${app}/Message/a`;
    const put = (title: string) => ask('PUT', url, { json: { title, content: 'c' } });
    expect((await put('before')).status).toBe(201);
    using stream = await SseClient.subscribe(`${server.origin}/${app}/Message`);
    await proxy.goAway();
    for (const answer of [await ask('GET', `${server.origin}/${app}/Message?sort=title`), await put('while')]) {
      expect(answer.record).toMatchObject({ code: 'STORAGE_BUSY' });
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    }
    await proxy.comeBack();
    await until(
      async () => (await put('after')).status,
      (status) => status === 200,
      { timeout: 30_000 },
    );
    await stream.events.next((event) => event.data.includes('after'));
    expect((await ask('GET', url)).record).toMatchObject({ title: 'after' });
  });

  test('refuses to start beside a server with another schema, and starts when that has stopped', {
    timeout: 60_000,
  }, async () => {
    const app = newApp();
    const server = await start(app);
    const other = { name: app, schema: MESSAGE_SCHEMA.replace('title: String!', 'title: Int'), config: CONFIG };
    const second = await startToExit({ ...other, env: { DATABASE_URL: TEST_URL } });
    expect(second).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /is in use by another server with another schema \(connection \d+ from [^)]+\)\. .+:\n {2}change the type of realtime-demo.Message.title from String to Int/,
      ),
    });
    await server.kill();
    await using third = await startServer({ ...other, env: { DATABASE_URL: TEST_URL } });
    expect((await ask('GET', `${third.origin}/${app}/Message`)).status).toBe(200);
  });

  test('starts beside a server whose schema has a field less, and has its changes with that field', {
    timeout: 60_000,
  }, async () => {
    const app = newApp();
    await using first = await start(app);
    const put = (server: TestServer, id: string, more = {}) =>
      ask('PUT', `${server.origin}/${app}/Message/${id}`, { json: { title: 't', content: 'c', ...more } });
    expect((await put(first, 'a')).status).toBe(201);
    const schema = MESSAGE_SCHEMA.replace('content: String!', 'content: String! stars: Int! @default(value: 3)');
    await using second = await startServer({ name: app, schema, config: CONFIG, env: { DATABASE_URL: TEST_URL } });
    using socket = await WsClient.subscribe(`${second.wsUrl('Message')}?stars==3`);
    expect((await put(first, 'b')).status).toBe(201);
    expect(await socket.next()).toMatchObject({ op: 'create', data: { id: 'b', stars: 3 } });
    await put(second, 'b', { stars: 4 });
    expect(await socket.next()).toMatchObject({ message_type: 'Delete', id: 'b' });
    expect((await ask('PATCH', `${first.origin}/${app}/Message/b`, { json: { title: 'u' } })).status).toBe(200);
    expect((await ask('DELETE', `${first.origin}/${app}/Message/a`)).status).toBe(204);
    expect(await socket.next()).toMatchObject({ message_type: 'Delete', id: 'a' });
    expect((await ask('GET', `${second.origin}/${app}/Message/b`)).record).toMatchObject({ title: 'u', stars: 4 });
  });

  test('keeps users and keys there', { timeout: 60_000 }, async () => {
    const app = newApp();
    const secret = 'a secret that is long enough for HS256, 0123456789';
    const config = `${CONFIG}auth: {users: true, jwt: {secret: "${secret}"}}\n`;
    await using server = await start(app, TEST_URL, config);
    const env = { DATABASE_URL: TEST_URL };
    const made = await runCommand(
      ['user', 'add', 'ada', '--role', 'admin', '--password-stdin', server.dir],
      'correct horse\n',
      env,
    );
    expect(made).toMatchObject({ code: 0 });
    const login = { json: { name: 'ada', password: 'correct horse' } };
    const answer = await ask('POST', `${server.origin}/${app}/auth/login`, login);
    expect(answer.status).toBe(200);
    const { access_token: token } = answer.record as unknown as { access_token: string };
    const headers = { authorization: `Bearer ${token}` };
    expect((await ask('GET', `${server.origin}/${app}/Message`, { headers })).status).toBe(200);
    await runCommand(['user', 'disable', 'ada', server.dir], '', env);
    await until(
      async () => (await ask('GET', `${server.origin}/${app}/Message`, { headers })).status,
      (status) => status === 401,
    );
  });

  test('exports its records while it runs, and leaves backups to the database', { timeout: 60_000 }, async () => {
    const app = newApp();
    await using server = await start(app);
    const url = `${server.origin}/${app}/Message/a`;
    expect((await ask('PUT', url, { json: { title: 'one', content: 'c' } })).status).toBe(201);
    const env = { DATABASE_URL: TEST_URL };
    const exported = await runCommand(['export', '--table', 'Message', server.dir], '', env);
    expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining('"title":"one"') });
    for (const command of [['backup'], ['restore', 'monday.backup']]) {
      const { code, stderr } = await runCommand([...command, server.dir], '', env);
      expect([code, stderr]).toEqual([
        1,
        `Backups of this store are made by its database. Use pg_dump --format custom --schema 'tablecast_${app}' and pg_restore; tablecast export has the records alone.\n`,
      ]);
    }
  });

  test.each([
    ['a port where nothing listens', 'postgres://postgres:geheim@127.0.0.1:1/test', 'cannot be reached'],
    ['a database that is not there', TEST_URL.replace(/\/test$/, '/no_such_database'), 'does not exist'],
    ['a user that is not there', TEST_URL.replace('postgres@', 'nobody_here:geheim@'), 'does not accept this user'],
  ])('with %s ends at its start, in a sentence without the password', async (_, url, message) => {
    const { code, stderr } = await startToExit({ config: CONFIG, env: { DATABASE_URL: url } });
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/geheim|\n\s+at /);
  });

  test('refuses a database that is read-only', async () => {
    const url = `${TEST_URL}?options=-c%20default_transaction_read_only%3Don`;
    const { code, stderr } = await startToExit({ name: newApp(), config: CONFIG, env: { DATABASE_URL: url } });
    expect([code, stderr]).toEqual([1, expect.stringContaining('is read-only')]);
  });
});

test('a store that is no PostgreSQL is a mistake in config.yaml', async () => {
  const { code, stderr } = await startToExit({ config: CONFIG, env: { DATABASE_URL: 'mysql://localhost/x' } });
  expect([code, stderr]).toEqual([1, expect.stringContaining('postgres://user:password@host:5432/database')]);
});
