import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { SseClient } from '../support/sse-client.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { V1Client } from '../support/v1-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const CONFIG = `${BASE_CONFIG}auth: {jwt: {secret: ${SECRET}}, query_token: true}\n`;
const SCHEMA = `type Note @table @export(public: [read, subscribe, create, update]) {
  id: ID! @primaryKey
  text: String
}`;
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const ROOT = bearer(tokenOf('root', { roles: ['admin'] }));
const TOKEN = tokenOf('u1', { roles: ['editor'] });

async function connectionsOf(server: TestServer): Promise<readonly Json[]> {
  const { status, record } = await server.ask('GET', '_/admin/connections', ROOT);
  expect(status).toBe(200);
  return record.connections as Json[];
}

function close(server: TestServer, row: Json | undefined) {
  return server.ask('DELETE', `_/admin/connections/${row?.id}`, ROOT);
}

test('an administrator sees open connections with what they listen to, and ends them', async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  await server.ask('POST', 'Note', { json: { id: 'a', text: 'x' } });
  const { origin } = server;
  using socket = await WsClient.subscribe(`${origin.replace('http', 'ws')}/my-app/Note?text==x&token=${TOKEN}`);
  using stream = await SseClient.subscribe(`${origin}/my-app/Note/a`);
  using live = await V1Client.open(`${origin}/my-app`, { token: TOKEN });
  await live.subscribe(1, 'Note');
  await live.subscribe(2, 'Note?text==y');
  const rows = await until(
    () => connectionsOf(server),
    (open) => open.length === 3 && open[2]?.subscriptions === 2 && open.every(({ state }) => state === 'live'),
    { what: 'three connections that are live' },
  );
  const caller = { sub: 'u1', roles: ['editor'] };
  const whole = { state: 'live', lag: 0, buffered: 0, id: expect.any(String), opened_at: expect.any(String) };
  const channel = { table: 'Note', state: 'live', lag: 0, position: expect.any(Number) };
  expect(rows).toEqual([
    {
      ...{ ...whole, transport: 'websocket', carrier: 'websocket', caller, subscriptions: 1 },
      ...{ position: expect.any(Number), channels: [{ ...channel, query: 'text==x' }] },
    },
    {
      ...{ ...whole, transport: 'sse', carrier: 'sse', caller: null, subscriptions: 1 },
      ...{ position: expect.any(Number), channels: [{ ...channel, id: 'a' }] },
    },
    {
      ...{ ...whole, transport: 'live', carrier: 'websocket', caller, subscriptions: 2 },
      ...{ position: expect.any(Number), channels: [channel, { ...channel, query: 'text==y' }] },
    },
  ]);
  expect((await connectionsOf(server)).map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
  expect(await server.metric(/^tablecast_subscriptions\{.*\} (\d+)/m)).toBe(4);
  const [first, second, third] = rows;
  expect((await server.ask('DELETE', `_/admin/connections/${first?.id}`, bearer(TOKEN))).status).toBe(403);
  expect(socket.isOpen).toBe(true);
  for (const row of [first, second, third]) expect((await close(server, row)).status).toBe(204);
  expect(await socket.closed).toEqual({ code: 4403, reason: 'no longer allowed' });
  expect(await live.ended).toBe('4403 no longer allowed');
  await stream.ended;
  await until(
    () => connectionsOf(server),
    (open) => open.length === 0,
    { what: 'an empty list' },
  );
  const gone = await close(server, first);
  expect([gone.status, gone.record.code]).toEqual([404, 'NOT_FOUND']);
});

test('a client that reads nothing is behind, its lag grows, and it can be ended', { timeout: 120_000 }, async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  using stalled = await WsClient.subscribe(`${server.origin.replace('http', 'ws')}/my-app/Note`);
  stalled.socket.pause();
  const write = () => server.ask('PUT', 'Note/a', { json: { text: `${Math.random()}${'x'.repeat(200_000)}` } });
  const [behind] = await until(
    async () => {
      await write();
      return connectionsOf(server);
    },
    ([row]) => row?.state === 'behind' && Number(row.lag) > 0,
    { timeout: 60_000, what: 'a connection that is behind' },
  );
  expect(Number(behind?.buffered)).toBeGreaterThan(0);
  await write();
  const [later] = await connectionsOf(server);
  expect(Number(later?.lag)).toBeGreaterThan(Number(behind?.lag));
  expect((await close(server, behind)).status).toBe(204);
  await until(
    () => connectionsOf(server),
    (open) => open.length === 0,
    { timeout: 30_000, what: 'the end of the connection' },
  );
});
