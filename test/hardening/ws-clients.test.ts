import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';
import { descriptors, expectAlive, PATH, RECORD, residentBytes } from './ws-helpers.ts';

describe('floods', { timeout: 120_000 }, () => {
  /** Writes as fast as the socket takes it, for so long or until the server has had enough. */
  async function flood(ws: RawWs, frame: Buffer, milliseconds: number): Promise<number> {
    const block = Buffer.concat(new Array<Buffer>(Math.ceil(262_144 / frame.length)).fill(frame));
    const end = performance.now() + milliseconds;
    let sent = 0;
    while (performance.now() < end && ws.isOpen) {
      sent += block.length;
      if (!ws.socket.write(block)) {
        const drained = new Promise((resolve) => ws.socket.once('drain', resolve));
        await Promise.race([drained, ws.closed, new Promise((resolve) => setTimeout(resolve, 500))]);
      }
      // The memory of the test is not what is to be tested.
      if (ws.socket.writableLength > 8 * 1024 * 1024) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return sent;
  }

  test('pings without end whose pongs are not read cost bounded memory and delay no other client', async () => {
    await using server = await startServer();
    await expectAlive(server);
    const before = residentBytes(server.pid);
    using ws = await RawWs.open(server.port, PATH);
    ws.pause();
    const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 1, 2, 3, 4]), Buffer.alloc(125)]);
    const flooding = flood(ws, ping, 6000);
    let most = 0;
    for (let round = 0; round < 20; round++) {
      const asked = performance.now();
      expect((await server.ask('GET', 'Message')).status).toBe(200);
      most = Math.max(most, performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await flooding;
    expect(residentBytes(server.pid) - before).toBeLessThan(64 * 1024 * 1024);
    expect(most).toBeLessThan(5000);
    await expectAlive(server);
  });

  test('pings without end are cut off, a few are not', async () => {
    await using server = await startServer();
    using ws = await RawWs.open(server.port, PATH);
    for (let count = 0; count < 20; count++) ws.send({ opcode: OPCODE.ping, payload: String(count) });
    await ws.frames.next(({ opcode, payload }) => opcode === OPCODE.pong && payload.toString() === '19');
    for (let count = 0; count < 20_000 && ws.isOpen; count++) ws.send({ opcode: OPCODE.ping, payload: 'x' });
    await ws.closed;
    await expectAlive(server);
  });

  test.each([
    ['empty messages', ''],
    ['bad messages', '{'],
  ])('%s without end are cut off', async (_what, payload) => {
    await using server = await startServer();
    using ws = await RawWs.open(server.port, PATH);
    for (let count = 0; count < 5000 && ws.isOpen; count++) {
      ws.send({ payload });
    }
    expect(await ws.closeCode()).toBe(1008);
    await ws.closed;
    await expectAlive(server);
  });

  test('one that sends and never reads its answers is cut off with bounded memory', async () => {
    const limits = 'limits: { messages_per_second: 100000, messages_burst: 100000 }\n';
    const channels = 'channels: { ping_interval: 500ms, pong_timeout: 2s, slow_client_timeout: 2s }\n';
    await using server = await startServer({ config: BASE_CONFIG + limits + channels });
    await expectAlive(server);
    const before = residentBytes(server.pid);
    using ws = await RawWs.open(server.port, `${PATH}?echo=false`);
    ws.pause();
    const ref = 'r'.repeat(250);
    const data = { message_type: 'Publish', id: 'x', data: 1, ref };
    for (let count = 0; count < 30_000 && ws.isOpen; count++) {
      ws.send({ payload: JSON.stringify(data) });
      if (count % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until(
      () => server.openSockets(),
      (open) => open === 0,
      { timeout: 30_000 },
    );
    expect(residentBytes(server.pid) - before).toBeLessThan(96 * 1024 * 1024);
    await expectAlive(server);
  });
});

describe('a peer that has gone silent', { timeout: 120_000 }, () => {
  test('is ended, and nothing of it is left', async () => {
    await using server = await startServer({
      config: `${BASE_CONFIG}channels: { ping_interval: 200ms, pong_timeout: 600ms }\n`,
    });
    using lively = await WsClient.subscribe(server.wsUrl('Message'));
    const before = descriptors(server.pid);
    const silent: RawWs[] = [];
    for (let n = 0; n < 20; n++) silent.push(await RawWs.open(server.port, PATH, { answerPings: false }));
    expect(await server.metric(/^tablecast_subscriptions\{/)).toBe(21);
    const lived = await Promise.all(silent.map(({ closed }) => closed));
    expect(Math.min(...lived)).toBeGreaterThan(500);
    expect(Math.max(...lived)).toBeLessThan(15_000);
    expect(silent.every((ws) => ws.of(OPCODE.ping).length > 0)).toBe(true);
    // A client can see its connection end a moment before the server has heard of it.
    await until(
      async () => [await server.openSockets(), await server.metric(/^tablecast_subscriptions\{/)],
      ([sockets, subscriptions]) => sockets === 1 && subscriptions === 1,
      { what: 'one socket, one subscription' },
    );
    await until(
      async () => descriptors(server.pid) - before,
      (left) => left < 5,
      { what: 'descriptors back' },
    );
    await server.put('Message/x', RECORD);
    expect((await lively.next()).id).toBe('x');
  });
});

describe('a client that does not read', { timeout: 120_000 }, () => {
  const CONTENT = 'x'.repeat(100_000);

  test('costs one bounded buffer, delays no other client, and later has every change in order', async () => {
    await using server = await startServer();
    using fast = await WsClient.subscribe(server.wsUrl('Message'));
    const slow: RawWs[] = [];
    for (let n = 0; n < 10; n++) slow.push(await RawWs.open(server.port, PATH));
    for (const ws of slow) ws.pause();
    await server.put('Message/warm', { title: '', content: CONTENT });
    const before = residentBytes(server.pid);
    let slowest = 0;
    const ids = Array.from({ length: 150 }, (_, n) => `m${n}`);
    for (const id of ids) {
      const started = performance.now();
      await server.put(`Message/${id}`, { title: '', content: CONTENT });
      await fast.next((frame) => frame.id === id);
      slowest = Math.max(slowest, performance.now() - started);
    }
    // Kept for each of them it would be 150 MB.
    expect(residentBytes(server.pid) - before).toBeLessThan(96 * 1024 * 1024);
    expect(slowest).toBeLessThan(5000);
    const [late] = slow;
    late?.resume();
    const last = await late?.frames.next(({ payload }) => payload.includes('"id":"m149"'), 15_000);
    expect(last).toBeDefined();
    const frames = (late?.of(OPCODE.text) ?? []).map(({ payload }) => JSON.parse(payload.toString()));
    expect(frames.filter((frame) => 'op' in frame).map(({ id }) => id)).toEqual(['warm', ...ids]);
    for (const ws of slow) ws[Symbol.dispose]();
  });

  test('for too long is told so, and resumes from its position without a gap', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}channels: { slow_client_timeout: 1s }\n` });
    using slow = await WsClient.subscribe(server.wsUrl('Message'));
    using stream = await SseClient.subscribe(server.url('Message?stream=sse'));
    slow.socket.pause();
    stream.pause();
    const ids = Array.from({ length: 120 }, (_, n) => `m${n}`);
    for (const id of ids) await server.put(`Message/${id}`, { title: '', content: CONTENT });
    await until(
      () => server.metric(/^tablecast_subscriptions\{/),
      (open) => open === 0,
      { timeout: 30_000, what: 'the end of both' },
    );
    slow.socket.resume();
    stream.resume();
    await Promise.all([slow.closed, stream.ended]);
    const seen = slow.changes.items.map(({ id }) => id);
    using resumed = await WsClient.open(server.wsUrl(`Message?since=${slow.changes.items.at(-1)?.seq}`));
    await resumed.ready();
    expect(resumed.controls.items.map(({ type }) => type)).toEqual(['ready']);
    expect([...seen, ...resumed.changes.items.map(({ id }) => id)]).toEqual(ids);
    const heard = stream.all('update').map(({ id }) => id);
    using again = await SseClient.open(server.url('Message?stream=sse'), { lastEventId: stream.lastEventId });
    await again.next('ready');
    expect([...heard, ...again.all('update').map(({ id }) => id)]).toEqual(ids);
  });
});

describe('what was buffered', { timeout: 120_000 }, () => {
  test('for clients that do not read is freed when they are gone', async () => {
    await using server = await startServer();
    for (let n = 0; n < 40; n++) await server.put(`Message/m${n}`, { title: '', content: 'x'.repeat(100_000) });
    const before = residentBytes(server.pid);
    const sockets: RawWs[] = [];
    for (let n = 0; n < 30; n++) {
      const ws = await RawWs.open(server.port, `${PATH}?retained=true`);
      ws.pause();
      sockets.push(ws);
    }
    await until(
      () => server.openSockets(),
      (open) => open === 30,
    );
    for (const ws of sockets) ws[Symbol.dispose]();
    await until(
      () => server.openSockets(),
      (open) => open === 0,
    );
    await until(
      () => Promise.resolve(residentBytes(server.pid) - before),
      (grown) => grown < 64 * 1024 * 1024,
      { timeout: 30_000, what: 'memory back' },
    );
  });
});

describe('places', { timeout: 120_000 }, () => {
  test('are shared by sockets and streams, and are reused after either frees them', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}limits: { connections: 5 }\n` });
    const streams: SseClient[] = [];
    for (let n = 0; n < 3; n++) streams.push(await SseClient.subscribe(server.url('Message?stream=sse')));
    using socket = await WsClient.subscribe(server.wsUrl('Message'));
    using _other = await WsClient.subscribe(server.wsUrl('Message/x'));
    const refused = async (): Promise<unknown[]> => [
      (await refusedUpgrade(server.wsUrl('Message'))).status,
      (await server.ask('GET', 'Message?stream=sse')).status,
    ];
    expect(await refused()).toEqual([503, 503]);
    streams[0]?.close();
    await socket.close();
    await until(
      () => server.metric(/^tablecast_connections\{/),
      (open) => open === 3,
    );
    using _socket = await WsClient.subscribe(server.wsUrl('Message'));
    using _stream = await SseClient.subscribe(server.url('Message?stream=sse'));
    expect(await refused()).toEqual([503, 503]);
    for (const stream of streams) stream.close();
  });

  test('of 500 that came and went in every way are free again', async () => {
    await using server = await startServer();
    await server.put('Message/stored', RECORD);
    const before = descriptors(server.pid);
    const visit = async (n: number): Promise<void> => {
      if (n % 4 === 0) {
        using ws = await WsClient.subscribe(server.wsUrl('Message?retained=true'));
        await ws.close();
      } else if (n % 4 === 1) {
        using ws = await WsClient.open(server.wsUrl('Message/stored'));
        ws.terminate();
      } else if (n % 4 === 2) {
        using ws = await RawWs.open(server.port, `${PATH}?since=0`);
        ws.socket.resetAndDestroy();
      } else {
        using stream = await SseClient.open(server.url('Message?stream=sse&retained=true'));
        stream.close();
      }
    };
    for (let n = 0; n < 500; n += 20) await Promise.all(Array.from({ length: 20 }, (_, m) => visit(n + m)));
    await until(
      async () => [
        await server.metric(/^tablecast_connections\{/),
        await server.metric(/^tablecast_subscriptions\{/),
        Math.max(0, descriptors(server.pid) - before - 4),
      ],
      (left) => left.every((count) => count === 0),
      { what: 'no connection, subscription or descriptor left' },
    );
    await expectAlive(server);
  });
});
