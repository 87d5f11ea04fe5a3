import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { runCommand } from '../support/cli.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { inSeconds, SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Note @table @export
  @access(read: ["editor", "ownerId==$auth.sub"], create: "ownerId==$auth.sub", update: ["editor", "ownerId==$auth.sub"],
          delete: "ownerId==$auth.sub", publish: "ownerId==$auth.sub") {
  id: ID! @primaryKey
  ownerId: ID! @indexed
  text: String
  rating: Int @access(read: "editor", write: "editor")
}
type Job @table @export @account(field: "org", claim: "org")
  @access(read: "authenticated", create: "authenticated", update: "authenticated", delete: "authenticated") {
  id: ID! @primaryKey
  org: String! @indexed
  text: String
}`;
const CONFIG = `${BASE_CONFIG}auth: { users: true, jwt: { secret: ${SECRET} } }\nlimits: { connections_per_principal: 0 }\n`;

let server: TestServer;
const ids: Record<string, string> = {};

/** A command of the program, on the folder of the running server. */
async function run(...args: string[]): Promise<string> {
  const input = args.includes('--password-stdin') ? 'correct horse\n' : '';
  const { code, stdout, stderr } = await runCommand([...args, server.dir], input);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

async function login(name: string): Promise<string> {
  const { record } = await ask('POST', `${server.origin}/auth/login`, { json: { name, password: 'correct horse' } });
  const answer = record as { access_token: string; user: { id: string } };
  ids[name] = answer.user.id;
  return answer.access_token;
}

const tokens: Record<string, string> = {};
const bearer = (name: string) => ({ headers: { authorization: `Bearer ${tokens[name]}` } });

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: CONFIG });
  await run('user', 'add', 'ada', '--password-stdin', '--claim', 'org=one');
  await run('user', 'add', 'ben', '--password-stdin', '--claim', 'org=two');
  await run('user', 'add', 'eva', '--password-stdin', '--role', 'editor', '--claim', 'org=one');
  for (const name of ['ada', 'ben', 'eva']) tokens[name] = await login(name);
});
afterAll(() => server[Symbol.asyncDispose]());

const write = (name: string, method: string, path: string, json?: object) =>
  ask(method, server.url(path), { ...bearer(name), ...(json === undefined ? {} : { json }) });
const realtime = () => `${server.origin.replace('http', 'ws')}${REALTIME}/ws`;

describe('rules on every door', () => {
  test('show and take the same, before and after each change', async () => {
    const [ada, ben] = [ids.ada, ids.ben];
    using socket = await WsClient.subscribe(`${server.wsUrl('Note')}?retained=true`, bearer('ben'));
    using stream = await SseClient.subscribe(server.url('Note'), bearer('ben'));
    using editor = await WsClient.subscribe(server.wsUrl('Note'), bearer('eva'));
    using many = await GatewayClient.open(`${realtime()}?token=${tokens.ben}`);
    many.send({ action: 'subscribe', collection: 'Note' });
    await many.messages.next(({ status }) => status === 'subscribed');
    expect((await write('ada', 'POST', 'Note', { id: 'a', ownerId: ada, text: 'mine' })).record).toEqual({
      id: 'a',
      ownerId: ada,
      text: 'mine',
    });
    expect((await write('ada', 'POST', 'Note', { id: 'x', ownerId: ben })).status).toBe(403);
    expect((await write('ada', 'PATCH', 'Note/a', { rating: 5 })).status).toBe(403);
    expect((await write('ben', 'GET', 'Note/a')).status).toBe(404);
    expect((await write('ben', 'PATCH', 'Note/a', { text: 'x' })).status).toBe(404);
    expect((await write('eva', 'PATCH', 'Note/a', { rating: 5 })).record).toMatchObject({ rating: 5 });
    expect((await write('ben', 'GET', 'Note')).records).toEqual([]);
    expect((await write('ada', 'GET', 'Note?sort=rating')).status).toBe(400);
    await write('ben', 'PUT', 'Note/b', { ownerId: ben, text: 'his' });
    // The editor hands over a note, and takes one away: an Update and a Delete for those who gain and lose it.
    await write('eva', 'PATCH', 'Note/a', { ownerId: ben });
    await write('eva', 'PATCH', 'Note/b', { ownerId: ada });
    const told = [
      ['Update', 'b', { id: 'b', ownerId: ben, text: 'his' }],
      ['Update', 'a', { id: 'a', ownerId: ben, text: 'mine' }],
      ['Delete', 'b', { id: 'b' }],
    ];
    await until(
      async () => socket.changes.items.length,
      (count) => count >= 3,
    );
    expect(socket.changes.items.map(({ message_type: type, id, data }) => [type, id, data])).toEqual(told);
    await until(
      async () => many.events.length,
      (count) => count >= 3,
    );
    expect(many.events.map(({ type, data }) => [type, data])).toEqual([
      ['Note.create', told[0]?.[2]],
      ['Note.update', told[1]?.[2]],
      ['Note.delete', told[2]?.[2]],
    ]);
    await stream.next('delete');
    expect([stream.all('update'), stream.all('delete')]).toEqual([[told[0]?.[2], told[1]?.[2]], [{ id: 'b' }]]);
    await until(
      async () => editor.changes.items.length,
      (count) => count >= 5,
    );
    expect(editor.changes.items.at(1)?.data).toMatchObject({ id: 'a', rating: 5 });
  });

  test('a resume shows what the rights of now show', async () => {
    const { headers } = await write('eva', 'GET', 'Note');
    const since = headers.get('x-position');
    await write('ada', 'PUT', 'Note/r1', { ownerId: ids.ada });
    await write('ben', 'PUT', 'Note/r2', { ownerId: ids.ben });
    for (const [name, expected] of [
      ['ada', ['r1']],
      ['ben', ['r2']],
      ['eva', ['r1', 'r2']],
    ] as const) {
      using socket = await WsClient.subscribe(`${server.wsUrl('Note')}?since=${since}`, bearer(name));
      expect(socket.changes.items.map(({ id }) => id)).toEqual(expected);
    }
  });

  test('who shows nothing or a bad token gets in by no door', async () => {
    for (const path of ['Note', 'Note/a', 'Note?stream=sse', 'Job']) {
      expect([path, (await server.ask('GET', path)).status]).toEqual([path, 401]);
    }
    expect((await refusedUpgrade(server.wsUrl('Note'))).status).toBe(401);
    expect((await server.ask('POST', 'Note', { json: { ownerId: 'x' } })).status).toBe(401);
    using missing = await GatewayClient.open(realtime());
    expect(await missing.closed).toEqual({ code: 1008, reason: 'Missing token' });
    using forged = await GatewayClient.open(
      `${realtime()}?token=${tokenOf('ada', {}, 'Zq81-another_secret.of-our-own-0xPw')}`,
    );
    expect(await forged.closed).toEqual({ code: 1008, reason: 'Authentication failed' });
    const stream = await ask('GET', `${server.origin}${REALTIME}/subscribe?collection=Note`);
    expect([stream.status, stream.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });

  test('a token that expires ends what it opened', async () => {
    const token = tokenOf(String(ids.ada), { exp: inSeconds(2) });
    using many = await GatewayClient.open(realtime(), { protocols: [token] });
    using socket = await WsClient.subscribe(server.wsUrl('Note'), { protocols: [token] });
    expect(many.socket.protocol).toBe(token);
    expect(await many.closed).toEqual({ code: 1008, reason: 'Token expired' });
    expect((await socket.closed).code).toBe(4401);
  });
});

describe('accounts', () => {
  test('never meet: not in lists, streams, events or writes', async () => {
    using one = await GatewayClient.open(`${realtime()}?token=${tokens.ada}`);
    using two = await GatewayClient.open(`${realtime()}?token=${tokens.ben}`);
    using socket = await WsClient.subscribe(server.wsUrl('Job'), bearer('eva'));
    for (const client of [one, two]) {
      client.send({ action: 'subscribe', collection: 'Job' });
      await client.messages.next(({ status }) => status === 'subscribed');
    }
    const writes = Array.from({ length: 1000 }, (_, n) => {
      const name = n % 2 === 0 ? 'ada' : 'ben';
      return () => write(name, 'PUT', `Job/${name}-${n % 50}`, { text: String(n) });
    });
    for (let start = 0; start < writes.length; start += 50) {
      const answers = await Promise.all(writes.slice(start, start + 50).map((put) => put()));
      expect(answers.every(({ status }) => status === 200 || status === 201)).toBe(true);
    }
    for (const [client, org] of [
      [one, 'one'],
      [two, 'two'],
    ] as const) {
      await until(
        async () => client.events.length,
        (count) => count >= 500,
      );
      expect(client.events.length).toBe(500);
      expect(client.events.every(({ data }) => (data as { org: string }).org === org)).toBe(true);
    }
    await until(
      async () => socket.changes.items.length,
      (count) => count >= 500,
    );
    expect(socket.changes.items.every(({ data }) => data.org === 'one')).toBe(true);
    expect((await write('ben', 'GET', 'Job?limit=1000')).records?.every(({ org }) => org === 'two')).toBe(true);
    expect((await write('ben', 'PUT', 'Job/ada-0', { text: 'x' })).status).toBe(404);
    expect((await write('ben', 'DELETE', 'Job?all=true')).record).toEqual({ matched: 25, changed: 25 });
    expect((await write('ada', 'GET', 'Job?count=true')).headers.get('x-total-count')).toBe('25');
  }, 60_000);
});

describe('rights that are taken away', () => {
  test('count on open streams within a second, without a new token', async () => {
    using socket = await WsClient.subscribe(`${server.wsUrl('Note')}?retained=true`, bearer('eva'));
    using many = await GatewayClient.open(`${realtime()}?token=${tokens.eva}`);
    many.send({ action: 'subscribe', collection: 'Note', retained: true });
    await many.messages.next(({ type }) => type === 'ready');
    const seen = socket.changes.items.length;
    expect(seen).toBeGreaterThan(2);
    await run('user', 'role', 'eva');
    expect(await socket.control('reset')).toMatchObject({ reason: 'rights_changed' });
    expect(await many.messages.next(({ type }) => type === 'reset')).toMatchObject({ reason: 'rights_changed' });
    await write('ada', 'PUT', 'Note/late', { ownerId: ids.ada });
    await write('eva', 'PUT', 'Note/own', { ownerId: ids.eva });
    await until(
      async () => socket.changes.items.length,
      (count) => count > seen,
    );
    expect(socket.changes.items.slice(seen).map(({ id }) => id)).toEqual(['own']);
    expect(many.events.at(-1)).toMatchObject({ type: 'Note.create', data: { id: 'own' } });
    await run('user', 'disable', 'eva');
    expect((await socket.closed).code).toBe(4403);
    expect((await many.closed).code).toBe(1008);
  });
});

test('the recipe of docs/how-to/per-user-records.md gives each user their own records', async () => {
  const docs = readFileSync(new URL('../../docs/how-to/per-user-records.md', import.meta.url), 'utf8');
  const schema = /```graphql[^\n]*\n([\s\S]*?)```/.exec(docs)?.[1] ?? '';
  await using own = await startServer({ schema, config: `${BASE_CONFIG}auth: { jwt: { secret: ${SECRET} } }\n` });
  const as = (sub: string) => ({ headers: { authorization: `Bearer ${tokenOf(sub)}` } });
  const [ada, bob] = [as('ada'), as('bob')];
  const made = await own.ask('POST', 'Task', { ...ada, json: { id: 't', title: 'one' } });
  expect([made.status, made.record]).toEqual([201, { id: 't', ownerId: 'ada', title: 'one' }]);
  expect((await own.ask('GET', 'Task', ada)).records).toHaveLength(1);
  expect((await own.ask('GET', 'Task', bob)).records).toEqual([]);
  expect((await own.ask('PATCH', 'Task/t', { ...bob, json: { title: 'two' } })).status).toBe(404);
  expect((await own.ask('POST', 'Task', { ...bob, json: { title: 'x', ownerId: 'ada' } })).status).toBe(403);
  expect((await own.ask('GET', 'Task')).status).toBe(401);
});
