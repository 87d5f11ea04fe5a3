import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, IN_PROCESS, startServer, startToExit, type TestServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  text: String
  room: String
}
type Visit @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  event: String
}
`;

/** The example of the specification with tables in the place of the broker. */
const CONFIG = `${BASE_CONFIG}app_id: my-app
routes: routes.js
connectors:
  ws:
    type: websocket
    path: /ws
    ping_interval: 200ms
    pong_timeout: 2s
  live: {type: sse}
flows:
  handle_chat:
    from: {connector: ws, operation: message}
    to: {connector: table, operation: create, target: Message}
  also_told:
    from: {connector: ws, operation: message}
    when: has(input.loud)
    to: {connector: live, operation: broadcast}
  live_orders:
    from: {connector: table, operation: create, table: Message}
    transform: {order: input.record}
    to:
      - {connector: ws, operation: broadcast}
      - {connector: live, operation: send_to_room, target: "'all'"}
  room_notification:
    from: {connector: table, operation: update, table: Message}
    to: {connector: ws, operation: send_to_room, target: input.record.room}
  come:
    from: {connector: ws, operation: connect}
    transform: {id: 'has(input.tag) ? input.tag : input.connection_id', event: input.event}
    to: {connector: table, operation: upsert, target: Visit}
  gone:
    from: {connector: ws, operation: disconnect}
    transform: {id: 'has(input.tag) ? input.tag : input.connection_id', event: input.event}
    to: {connector: table, operation: upsert, target: Visit}
`;

const ROUTES = `export const routes = {
  tell: { method: 'POST', handler: async ({ rooms, body }) => ({ told: await rooms.ws.sendToRoom(body.room, body.data) }) },
};`;

let server: TestServer;
let url: string;

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: CONFIG, files: { 'routes.js': ROUTES } });
  url = server.wsUrl('ws');
});

afterAll(() => server[Symbol.asyncDispose]());

async function join(client: WsClient, room: string): Promise<void> {
  client.send({ type: 'join_room', room });
  await client.controls.next((frame) => frame.type === 'joined' && frame.room === room);
}

describe('the example of the specification', () => {
  test('a message becomes a record, which every client is told of', async () => {
    using ann = await WsClient.open(`${url}?user_id=ann`);
    using bob = await WsClient.open(url);
    using stream = await SseClient.open(server.url('events?room=all'));
    await stream.next();
    ann.send({ type: 'message', data: { id: 'm1', text: 'hello', room: 'orders' }, ref: 1 });
    const answer = await ann.controls.next((frame) => frame.ref === 1);
    expect(answer).toMatchObject({ type: 'message', data: { id: 'm1', text: 'hello' } });
    expect((await server.ask('GET', 'Message/m1')).record).toEqual({ id: 'm1', text: 'hello', room: 'orders' });
    const told = await bob.control('message');
    expect(told.data).toEqual({ order: { id: 'm1', text: 'hello', room: 'orders' } });
    expect((await stream.next()).json).toMatchObject({ type: 'message', room: 'all', data: { order: { id: 'm1' } } });
  });

  test('a flow that fails tells the sender; all flows of an operation run', async () => {
    using ann = await WsClient.open(url);
    using stream = await SseClient.open(`${server.origin}/events`);
    ann.send({ type: 'message', data: { id: 'm2', text: 5, loud: true }, ref: 1 });
    expect(await ann.controls.next((frame) => frame.ref === 1)).toMatchObject({
      type: 'error',
      code: 'VALIDATION_ERROR',
    });
    expect((await stream.next()).json).toMatchObject({ data: { id: 'm2', loud: true } });
    ann.send({ type: 'message', data: { id: 'm2', text: 'x' }, ref: 2 });
    expect(await ann.controls.next((frame) => frame.ref === 2)).toMatchObject({ type: 'message' });
  });

  test('a room is resolved from the input; code may tell it, too', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => WsClient.open(url)));
    onTestFinished(() => void clients.map((client) => client.terminate()));
    const [one, two, three] = clients as [WsClient, WsClient, WsClient];
    for (const client of [one, two]) await join(client, 'orders');
    await server.put('Message/m3', { text: 'a', room: 'orders' });
    await server.put('Message/m3', { text: 'b', room: 'orders' });
    for (const client of [one, two]) {
      const told = await client.controls.next(({ room, type }) => type === 'message' && room === 'orders');
      expect(told.data).toMatchObject({ id: 'm3', record: { text: 'b' } });
    }
    const tell = (json: object) => ask('POST', `${server.origin}/api/tell`, { json });
    expect((await tell({ room: 'orders', data: 1 })).record).toEqual({ told: 2 });
    expect((await tell({ room: 'empty', data: 1 })).record).toEqual({ told: 0 });
    expect((await tell({ data: 1 })).status).toBe(400);
    expect(three.texts.filter((text) => text.includes('"room":"orders"') && text.includes('"b"'))).toEqual([]);
  });

  test('who came and went is in the table, and in no room any more', async () => {
    const visit = async () => (await server.ask('GET', 'Visit/me')).record?.event;
    const rooms = () => server.metric(/^tablecast_rooms\{app="my-app",connector="ws"\}/);
    const client = await WsClient.open(`${url}?tag=me`);
    await join(client, 'mine');
    expect(await visit()).toBe('connect');
    expect(await rooms()).toBeGreaterThanOrEqual(1);
    client.terminate();
    await until(visit, (event) => event === 'disconnect');
    await until(rooms, (count) => count === 0);
    await until(
      () => server.metric(/^tablecast_connections\{transport="my-app\/ws"\}/),
      (open) => open === 0,
    );
  });
});

test('a stopping server closes its clients with 1001', async () => {
  await using other = await startServer({ schema: SCHEMA, config: CONFIG, files: { 'routes.js': ROUTES } });
  using client = await WsClient.open(other.wsUrl('ws'));
  using stream = await SseClient.open(other.url('events?room=all'));
  await stream.next();
  await other.stop();
  expect((await client.closed).code).toBe(1001);
  await stream.ended;
});

// Its port is told in the log of the process.
test.skipIf(IN_PROCESS)('a connector has a port of its own', async () => {
  const config = `${BASE_CONFIG}connectors:\n  ws: {type: websocket, host: 127.0.0.1, port: 0}\n`;
  await using other = await startServer({ schema: SCHEMA, config });
  const line = other.logs.items.find(({ msg }) => msg === 'connector listens');
  const address = new URL(String(line?.url).replace(/^http/, 'ws'));
  expect([address.pathname, address.port === String(other.port)]).toEqual(['/ws', false]);
  using client = await WsClient.open(address.href);
  await join(client, 'a');
  await other.stop();
  expect((await client.closed).code).toBe(1001);
});

// It is about the end of the process.
test.skipIf(IN_PROCESS)('a port that is taken ends the start with a sentence and a code', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const config = `${BASE_CONFIG}connectors:\n  ws: {type: websocket, host: 127.0.0.1, port: ${port}}\n`;
  const { code, stderr } = await startToExit({ schema: SCHEMA, config });
  expect([code, stderr]).toEqual([1, expect.stringContaining(`connectors.ws port ${port} on 127.0.0.1 is taken`)]);
});
