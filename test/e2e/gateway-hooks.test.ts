import { afterAll, beforeAll, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `type Post @table @export { id: ID! @primaryKey }
type Secret @table @export { id: ID! @primaryKey }
type Log @table @export { id: ID! @primaryKey connection: String! what: String! }`;

const HOOKS = `
let closed = false;
export async function on_realtime_connect({ connectionId, tables }) {
  if (closed) throw new Error('We are closed.');
  await tables.Log.create({ connection: connectionId, what: 'connect' });
}
export async function on_realtime_disconnect({ connection_id, user_id, account_id, tables }) {
  if (user_id !== null || account_id !== null) throw new Error('who is that?');
  await tables.Log.create({ connection: connection_id, what: 'disconnect' });
}
export async function onRealtimeSubscribe({ connectionId, collection, tables }) {
  if (collection === 'Secret') return false;
  await tables.Log.create({ connection: connectionId, what: 'subscribe ' + collection });
}
export async function onRealtimeUnsubscribe({ connectionId, collection, tables }) {
  await tables.Log.create({ connection: connectionId, what: 'unsubscribe ' + collection });
}
export async function onRealtimeMessage({ message, tables, connectionId }) {
  if (message.action === 'ping') throw new Error('No pings.');
  await tables.Log.create({ connection: connectionId, what: 'message ' + message.action });
}
export const tables = { Post: { afterChange({ id }) { if (id === 'close') closed = true; } } };
`;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    schema: SCHEMA,
    config: `${BASE_CONFIG}hooks: hooks.ts\n`,
    files: { 'hooks.ts': HOOKS },
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const socketUrl = () => `${server.origin.replace('http', 'ws')}${REALTIME}/ws`;

/** What the hooks were told of so far, by connection, in order. */
async function told(): Promise<string[][]> {
  const { records = [] } = await server.ask('GET', 'Log?sort=id&limit=1000');
  const connections = new Map<unknown, string[]>();
  for (const { connection, what } of records) {
    connections.set(connection, [...(connections.get(connection) ?? []), String(what)]);
  }
  return [...connections.values()];
}

test('the hooks of the multiplexed protocol fire once per occurrence, and may refuse', async () => {
  {
    using client = await GatewayClient.open(socketUrl());
    // Sent in one go: the second waits for what the hooks say of the first.
    client.send({ action: 'subscribe', collection: 'Post' });
    client.send({ action: 'subscribe', collection: 'Secret' });
    client.send({ action: 'ping' });
    expect(await client.messages.next(({ status }) => status === 'subscribed')).toMatchObject({ collection: 'Post' });
    expect(await client.messages.next(({ error }) => error !== undefined)).toMatchObject({ code: 'HOOK_REFUSED' });
    expect(await client.messages.next(({ error }) => error === 'No pings.')).toMatchObject({ code: 'HOOK_REFUSED' });
    await server.put('Post/a', {});
    expect(await client.messages.next(({ data }) => data !== undefined)).toMatchObject({ type: 'Post.create' });
    client.send({ action: 'unsubscribe', collection: 'Post' });
    await client.messages.next(({ status }) => status === 'unsubscribed');
    client.send({ action: 'subscribe', collection: 'Post', id: 1 });
    await client.messages.next(({ status }) => status === 'subscribed');
    client.socket.terminate();
  }
  {
    using stream = await SseClient.open(`${server.origin}${REALTIME}/subscribe?collection=Post`);
    await server.put('Post/b', {});
    await stream.next('message');
  }
  const refused = await ask('GET', `${server.origin}${REALTIME}/subscribe?collection=Secret`);
  expect([refused.status, refused.record?.code]).toEqual([403, 'HOOK_REFUSED']);
  await until(told, (all) => all.filter((one) => one.includes('disconnect')).length === 3, { what: 'three ends' });
  expect(await told()).toEqual([
    [
      'connect',
      'message subscribe',
      'subscribe Post',
      'message subscribe',
      'message unsubscribe',
      'unsubscribe Post',
      'message subscribe',
      'subscribe Post',
      'unsubscribe Post',
      'disconnect',
    ],
    ['connect', 'subscribe Post', 'unsubscribe Post', 'disconnect'],
    ['connect', 'disconnect'],
  ]);
  await server.put('Post/close', {});
  await until(
    async () => {
      using client = await GatewayClient.open(socketUrl());
      return Promise.race([client.closed, new Promise<undefined>((resolve) => setTimeout(resolve, 200, undefined))]);
    },
    (end) => end?.code === 1008,
    { what: 'a refusal' },
  );
  using last = await GatewayClient.open(socketUrl());
  expect(await last.closed).toEqual({ code: 1008, reason: 'We are closed.' });
});
