import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'amqplib';
import { expect, onTestFinished, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import { type Broker, withBroker } from '../support/broker.ts';
import type { Json } from '../support/frames.ts';
import { ask } from '../support/http.ts';
import { SECRET } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Message @table @export { id: ID! @primaryKey text: String! }
type Order @table @export { id: ID! @primaryKey state: String }
`;

const CONFIG = `port: 0
host: 127.0.0.1
connectors:
  ws: {type: websocket}
  rabbit:
    type: rabbitmq
    url: \${RABBIT_URL}
    exchange: shop
    reconnect_delay: 100ms
    reconnect_max_delay: 1s
  hooks:
    type: http
    url: \${HOOK_URL}
    secret: ${SECRET}
    allow_private: true
flows:
  handle_chat:
    from: {connector: ws, operation: message}
    to: {connector: table, operation: create, target: Message}
  live_orders:
    from: {connector: rabbit, operation: order.updated}
    to: {connector: ws, operation: broadcast}
  room_notification:
    from: {connector: rabbit, operation: room.event}
    to: {connector: ws, operation: send_to_room, target: input.room}
  take_order:
    from: {connector: http, operation: "POST /orders/:id/events"}
    to: {connector: rabbit, operation: publish, target: "'order.' + input.state"}
    retry: {attempts: 100, delay: 100ms, max_delay: 500ms}
  stored_orders:
    from: {connector: rabbit, operation: order.stored}
    to: {connector: table, operation: create, target: Order}
  notify:
    from: {connector: http, operation: POST /notify}
    to: {connector: ws, operation: send_to_room, target: input.room}
  tell_others:
    from: {connector: table, operation: create, table: Order}
    transform: {id: input.id}
    to: {connector: hooks, operation: "POST /orders/:id"}
`;

const LONG = 120_000;

withBroker('flows and a RabbitMQ broker', (broker) => {
  const start = async (hookUrl = 'http://127.0.0.1:9') => {
    const env = { RABBIT_URL: broker().url, HOOK_URL: hookUrl };
    const server = await startServer({ schema: SCHEMA, config: CONFIG, env });
    await server.logs.next(({ msg }) => msg === 'connected to the broker');
    await untilBound(broker());
    return server;
  };
  const open = async (server: TestServer) => {
    const client = await WsClient.open(`ws://127.0.0.1:${server.port}/ws`);
    onTestFinished(() => client[Symbol.dispose]());
    return client;
  };
  const dataOf = (client: WsClient) =>
    client.controls.items.filter(({ type }) => type === 'message').map((frame) => (frame as { data?: Json }).data);

  test('the three example flows: a message is stored, an order is broadcast, an event reaches its room', async () => {
    await using server = await start();
    const [inside, outside] = [await open(server), await open(server)];
    inside.send({ type: 'join_room', room: 'orders' });
    await inside.controls.next(({ type }) => type === 'joined');

    inside.send({ type: 'message', data: { id: 'm1', text: 'hello' } });
    await until(
      async () => (await ask('GET', `${server.origin}/my-app/Message`)).records,
      (records) => records.length === 1,
    );
    await publish(broker(), 'order.updated', { id: 7, state: 'paid' });
    for (const client of [inside, outside]) {
      const frame = await client.controls.next((it) => it.type === 'message' && 'data' in it && isOrder(it.data, 7));
      expect(frame).toMatchObject({ data: { id: 7, state: 'paid' } });
    }
    await publish(broker(), 'room.event', { room: 'orders', what: 'new' });
    await publish(broker(), 'order.updated', { id: 8 });
    const told = await inside.controls.next((it) => 'room' in it && it.room === 'orders' && it.type === 'message');
    expect(told).toMatchObject({ data: { room: 'orders', what: 'new' }, room: 'orders' });
    await outside.controls.next((it) => it.type === 'message' && 'data' in it && isOrder(it.data, 8));
    expect(dataOf(outside).filter((data) => data?.what === 'new')).toEqual([]);
    expect(JSON.stringify(server.logs.items)).not.toContain('guest:guest');
  });

  test('HTTP and tables are sources, and RabbitMQ and a webhook are targets', async () => {
    const received: { url: string; signature: unknown; body: string }[] = [];
    const hooks = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const signature = request.headers['webhook-signature'];
      received.push({ url: request.url ?? '', signature, body });
      // The first time it is busy.
      response.writeHead(received.length === 1 ? 503 : 204).end();
    }).listen(0, '127.0.0.1');
    await once(hooks, 'listening');
    onTestFinished(() => void hooks.close());
    await using server = await start(`http://127.0.0.1:${(hooks.address() as AddressInfo).port}/in`);
    const client = await open(server);

    const json = { state: 'updated', n: 1 };
    expect((await ask('POST', `${server.origin}/orders/o1/events`, { json })).status).toBe(202);
    const frame = await client.controls.next(({ type }) => type === 'message');
    expect(frame).toMatchObject({ data: { id: 'o1', state: 'updated', n: 1 } });

    const stored = { json: { state: 'stored' } };
    expect((await ask('POST', `${server.origin}/my-app/orders/o2/events`, stored)).status).toBe(202);
    await until(
      async () => received.length,
      (length) => length >= 2,
      { timeout: 30_000 },
    );
    expect(received[1]).toMatchObject({ url: '/in/orders/o2', body: '{"id":"o2"}' });
    expect(received[1]?.signature).toMatch(/^v1,/);
    const record = await ask('GET', `${server.origin}/my-app/Order/o2`);
    expect(record.record).toMatchObject({ id: 'o2', state: 'stored' });
    expect((await ask('PUT', `${server.origin}/orders/o1/events`, { json })).status).toBe(405);
  });

  test('a room that is empty is told nothing, and a room that is missing is the mistake of its sender', async () => {
    await using server = await start();
    const notify = (json: object) => ask('POST', `${server.origin}/notify`, { json });
    expect(await notify({ room: 'nobody' })).toMatchObject({ status: 200, record: { delivered: 0 } });
    for (const json of [{}, { room: '' }, { room: null }]) {
      const { status, record } = await notify(json);
      expect([status, record.code, record.status]).toEqual([400, expect.any(String), 400]);
    }
    const client = await open(server);
    client.send({ type: 'join_room', room: 'orders' });
    await client.controls.next(({ type }) => type === 'joined');
    expect(await notify({ room: 'orders', n: 1 })).toMatchObject({ status: 200, record: { delivered: 1 } });
    expect(await client.controls.next(({ type }) => type === 'message')).toMatchObject({ data: { n: 1 } });
  });

  test(
    'with the broker killed and started again in the middle every message arrives at least once and in order',
    async () => {
      await using server = await start();
      const client = await open(server);
      const count = 200;
      const numbers = () => dataOf(client).map((data) => data?.n as number);
      // It is answered when the broker has confirmed, which may take until it is there again. 502 says that the broker
      // was away for longer than the server waits: its sender repeats the message.
      const send = (n: number) =>
        until(
          async () => (await ask('POST', `${server.origin}/orders/x/events`, { json: { state: 'updated', n } })).status,
          (status) => status === 202,
          { timeout: 120_000 },
        );
      const all = (async () => {
        for (let n = 0; n < count; n++) await send(n);
      })();
      // Awaited below; the steps in between may fail first.
      all.catch(() => undefined);
      await until(
        async () => numbers().length,
        (length) => length > count / 4,
        { timeout: 30_000 },
      );
      await broker().kill();
      await server.logs.next(({ msg }) => String(msg).includes('the broker is unavailable'), 20_000);
      expect((await ask('GET', `${server.origin}/my-app/Order`)).status).toBe(200);
      await broker().start();
      await all;
      await until(
        async () => numbers().at(-1),
        (last) => last === count - 1,
        { timeout: 30_000 },
      );
      expect([...new Set(numbers())]).toEqual(Array.from({ length: count }, (_, n) => n));
      const { record } = await ask('GET', `${server.origin}/my-app/flows`);
      const dead = (record.flows as { dead_letters: number }[]).map((flow) => flow.dead_letters);
      expect(dead.every((letters) => letters === 0)).toBe(true);
    },
    LONG,
  );
});

function isOrder(data: unknown, id: number): boolean {
  return typeof data === 'object' && data !== null && 'id' in data && data.id === id;
}

/** As another program would. */
async function publish({ url }: Broker, routingKey: string, content: object): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  channel.publish('shop', routingKey, Buffer.from(JSON.stringify(content)), { persistent: true });
  await channel.waitForConfirms();
  await connection.close();
}

/** All queues of the flows are consumed. */
async function untilBound({ url }: Broker): Promise<void> {
  const connection = await connect(url);
  for (const key of ['order.updated', 'room.event', 'order.stored']) {
    await until(
      async () => {
        const channel = await connection.createChannel();
        channel.on('error', () => undefined);
        const { consumerCount } = await channel.checkQueue(`my-app.rabbit.${key}`).catch(() => ({ consumerCount: 0 }));
        await channel.close().catch(() => undefined);
        return consumerCount;
      },
      (consumers) => consumers > 0,
    );
  }
  await connection.close();
}
