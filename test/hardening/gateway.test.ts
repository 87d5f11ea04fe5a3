import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { GatewayClient, POSTS_SCHEMA, REALTIME } from '../support/gateway-client.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
import { until } from '../support/wait.ts';

const CHANNELS =
  'durability: normal\nchannels: { client_buffer: 16KiB, slow_client_timeout: 20s, pong_timeout: 20s }\n';
const TITLE = 'x'.repeat(8000);

function start(config = ''): Promise<TestServer> {
  return startServer({ schema: POSTS_SCHEMA, config: BASE_CONFIG + config });
}

function open(server: TestServer): Promise<GatewayClient> {
  return GatewayClient.open(`${server.origin.replace('http', 'ws')}${REALTIME}/ws`);
}

/** A client on a bare socket with so many subscriptions to posts, which have the numbers from 0 as their ids. */
async function openRaw(server: TestServer, count: number): Promise<RawWs> {
  const raw = await RawWs.open(server.port, `${REALTIME}/ws`);
  for (let id = 0; id < count; id++)
    raw.send({ payload: JSON.stringify({ action: 'subscribe', collection: 'posts', id }) });
  for (let id = 0; id < count; id++) expect(await raw.json()).toMatchObject({ status: 'subscribed', id });
  return raw;
}

describe('the multiplexed protocol', { timeout: 90_000 }, () => {
  test('a reader that stops with twenty subscriptions costs one buffer, and is told all of each when it goes on', async () => {
    await using server = await start(CHANNELS);
    using raw = await openRaw(server, 20);
    using quick = await open(server);
    await quick.subscribe('posts');
    const memory = () => server.metric(/^process_resident_memory_bytes/);
    await server.put('posts/warm', { title: TITLE });
    const before = await memory();
    raw.pause();
    const count = 300;
    for (let n = 0; n < count; n++) await server.put(`posts/p${n}`, { title: TITLE });
    // The other one is not held up, and 48 MB for the one that does not read are nowhere in memory.
    await quick.messages.next(({ data }) => (data as Json | undefined)?.id === `p${count - 1}`);
    expect((await memory()) - before).toBeLessThan(40e6);
    raw.resume();
    const told = new Map<number, string[]>();
    await until(
      async () => {
        for (const { payload } of raw.frames.items.splice(0)) {
          const { id, data } = (payload.length > 100 ? JSON.parse(payload.toString()) : {}) as {
            id?: number;
            data?: Json;
          };
          if (id !== undefined) told.set(id, [...(told.get(id) ?? []), String(data?.id)]);
        }
        return [...told.values()].reduce((sum, ids) => sum + ids.length, 0);
      },
      (events) => events === 20 * (count + 1),
      { timeout: 40_000, what: 'every event of every subscription' },
    );
    const expected = ['warm', ...Array.from({ length: count }, (_, n) => `p${n}`)];
    for (let id = 0; id < 20; id++) expect(told.get(id)).toEqual(expected);
  });

  test('a reader that never goes on is closed, and counted no more', async () => {
    const impatient =
      'durability: normal\nchannels: { client_buffer: 16KiB, slow_client_timeout: 1s, heartbeat_interval: 200ms }\n';
    await using server = await start(impatient);
    using raw = await openRaw(server, 5);
    raw.pause();
    for (let n = 0; n < 250; n++) await server.put(`posts/p${n}`, { title: TITLE });
    // Heartbeats do not make a reader that stands still look alive.
    await until(
      () => server.metric(/^tablecast_subscriptions/),
      (open) => open === 0,
      { timeout: 30_000 },
    );
    raw.resume();
    expect(await raw.closeCode(10_000)).toBe(4408);
  });

  test('messages beyond the rate, and too many bad ones, end the connection', async () => {
    await using server = await start('limits: { messages_per_second: 5, messages_burst: 10, subscriptions: 2 }\n');
    using fast = await open(server);
    for (let n = 0; n < 40; n++) fast.send({ action: 'ping' });
    expect(await fast.closed).toEqual({ code: 1008, reason: 'more than 5 messages a second' });
    using many = await open(server);
    for (const id of [1, 2]) expect(await many.subscribe('posts', { id })).toMatchObject({ status: 'subscribed' });
    expect(await many.subscribe('posts', { id: 3 })).toEqual({
      error: 'Max subscriptions reached (2)',
      type: 'error',
      id: 3,
    });
    await using other = await start();
    using bad = await open(other);
    for (let n = 0; n < 21; n++) bad.send('{');
    expect(await bad.closed).toEqual({ code: 1008, reason: 'more than 20 bad messages in 10 s' });
    expect(bad.messages.items).toEqual(new Array(21).fill({ error: 'Invalid JSON', type: 'error' }));
  });

  test('a message that is too large is closed with 1009, one that is no UTF-8 with 1007', async () => {
    await using server = await start('limits: { message: 1KiB }\n');
    using large = await open(server);
    large.send({ action: 'subscribe', collection: 'x'.repeat(2000) });
    expect((await large.closed).code).toBe(1009);
    using broken = await RawWs.open(server.port, `${REALTIME}/ws`);
    broken.send({ payload: Buffer.from([0xff, 0xfe]) });
    expect(await broken.closeCode()).toBe(1007);
  });

  test('a peer that answers no ping is ended', async () => {
    await using server = await start('channels: { ping_interval: 200ms, pong_timeout: 600ms }\n');
    using dead = await RawWs.open(server.port, `${REALTIME}/ws`, { answerPings: false });
    using alive = await open(server);
    await dead.closed;
    expect(dead.of(OPCODE.ping).length).toBeGreaterThan(0);
    expect(await alive.ask({ action: 'ping' })).toEqual({ type: 'pong' });
  });

  test('what is sent right behind the handshake is not lost', async () => {
    await using server = await start();
    using raw = await RawWs.open(server.port, `${REALTIME}/ws`);
    raw.send({ payload: '{"action":"subscribe","collection":"posts"}' });
    raw.send({ payload: '{"action":"ping"}' });
    expect([await raw.json(), await raw.json()]).toEqual([
      { status: 'subscribed', type: 'subscribed', collection: 'posts' },
      { type: 'pong' },
    ]);
  });

  test.each([
    '{"action":"subscribe","collection":"__proto__"}',
    '{"action":"subscribe","collection":"constructor"}',
    '{"action":"subscribe","collection":"posts\\u0000"}',
    '{"action":"subscribe","collection":"posts","filter":"\\ud800"}',
    '{"action":"subscribe","collection":"posts","filter":"title==a&since=1"}',
    '{"action":"subscribe","collection":"posts","select":"id&retained=true"}',
    '{"action":"subscribe","collection":"posts","since":1e400}',
    '{"action":"subscribe","collection":"posts","since":-1}',
    '{"action":"subscribe","collection":"posts","id":1e999}',
    '{"action":"subscribe","collection":"posts","operations":["__proto__"]}',
    '{"action":"toString"}',
    '{"action":["subscribe"]}',
    'null',
    '"subscribe"',
  ])('%s is an error and nothing else', async (message) => {
    await using server = await start();
    using client = await open(server);
    expect(await client.ask(message)).toHaveProperty('error');
    expect(await client.ask({ action: 'ping' })).toEqual({ type: 'pong' });
    expect(server.logs.items.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});
