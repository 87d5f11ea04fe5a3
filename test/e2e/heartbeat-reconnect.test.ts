import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { ChangeFrame, ControlFrame } from '../support/frames.ts';
import { Mailbox } from '../support/mailbox.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const record = (title: string) => ({ title, content: 'c' });
/** Long idleness in short time: the same rules with a tenth of the default times. */
const SHORT_HEARTBEAT = `${BASE_CONFIG}channels:\n  ping_interval: 500ms\n  pong_timeout: 1s\n`;

// Most of this is waiting, so all of it waits at the same time.
describe('heartbeat, reconnecting and stopping', { timeout: 120_000 }, () => {
  test.concurrent('the server pings every 5 s, and who answers stays and receives', async () => {
    await using server = await startServer();
    using raw = await RawWs.open(server.port, '/my-app/Message');
    await raw.json();
    await pause(30_500);
    const pings = raw.of(OPCODE.ping);
    expect(pings.length).toBeGreaterThanOrEqual(4);
    expect(pings.length).toBeLessThanOrEqual(7);
    for (let index = 1; index < pings.length; index += 1) {
      const gap = (pings[index]?.at ?? 0) - (pings[index - 1]?.at ?? 0);
      expect(gap).toBeGreaterThan(4_000);
      expect(gap).toBeLessThan(9_000);
    }
    expect(raw.isOpen).toBe(true);
    await server.put('Message/m', record('after 30 s'));
    expect(await raw.json()).toMatchObject({ message_type: 'Update', id: 'm' });
  });

  test.concurrent('who answers no ping for 10 s is ended, and its subscription is freed', async () => {
    await using server = await startServer();
    using silent = await RawWs.open(server.port, '/my-app/Message', { answerPings: false });
    using answering = await RawWs.open(server.port, '/my-app/Message');
    expect(await server.openSockets()).toBe(2);
    const at = await silent.closed;
    expect(at).toBeGreaterThan(9_000);
    expect(at).toBeLessThan(25_000);
    expect(answering.isOpen).toBe(true);
    await until(
      () => server.openSockets(),
      (open) => open === 1,
    );
  });

  test.concurrent('any traffic counts, not only a Pong', async () => {
    // Less than the time that it sends for, and far more than one of its pauses.
    await using server = await startServer({ config: SHORT_HEARTBEAT.replace('1s', '3s') });
    using raw = await RawWs.open(server.port, '/my-app/Message', { answerPings: false });
    for (let index = 0; index < 10; index += 1) {
      raw.send({ payload: JSON.stringify({ id: 'm', ...record(`still here ${index}`) }) });
      await pause(400);
    }
    expect(raw.isOpen).toBe(true);
    expect(await raw.closed).toBeGreaterThan(4_000);
  });

  // Idle for ten times the time after which silence ends a socket; with the defaults that would be 100 s. On a busy machine
  // this process may be without its turn for a second.
  test.concurrent('an idle socket that answers pings is never dropped', async () => {
    await using server = await startServer({ config: SHORT_HEARTBEAT.replace('1s', '3s') });
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    using one = await WsClient.subscribe(server.wsUrl('Message/m'));
    await pause(30_000);
    expect(client.isOpen).toBe(true);
    await server.put('Message/m', record('after a long time'));
    expect((await client.next()).id).toBe('m');
    expect((await one.next()).id).toBe('m');
  });

  test.concurrent('clients that reconnect 3 s after a crash get one frame per change', async () => {
    await using server = await startServer();
    using first = new LoopingClient(server.wsUrl('Message'));
    using second = new LoopingClient(server.wsUrl('Message/m'));
    const clients = [first, second];
    await Promise.all(clients.map((client) => client.opened.atLeast(1)));
    await server.put('Message/m', record('before'));
    await Promise.all(clients.map((client) => client.changes.next((frame) => frame.data.title === 'before')));
    await server.kill();
    await server.restart();
    await Promise.all(clients.map((client) => client.opened.atLeast(2)));
    await server.put('Message/m', record('after'));
    await server.put('Message/m', record('fence'));
    await Promise.all(clients.map((client) => client.changes.next((frame) => frame.data.title === 'fence')));
    expect(first.changes.items.map((frame) => frame.data.title)).toEqual(['before', 'after', 'fence']);
    // A record channel says first what is stored.
    expect(second.changes.items.map((frame) => [frame.message_type, frame.data.title])).toEqual([
      ['Update', 'before'],
      ['Retained', 'before'],
      ['Update', 'after'],
      ['Update', 'fence'],
    ]);
    expect(await server.openSockets()).toBe(2);
  });

  test.concurrent('a client that comes back with its position misses nothing and gets nothing twice', async () => {
    await using server = await startServer();
    using before = await WsClient.subscribe(server.wsUrl('Message'));
    await server.put('Message/a', record('seen'));
    const { seq } = await before.next();
    await server.put('Message/b', record('unseen'));
    await server.ask('DELETE', 'Message/a');
    await server.kill();
    await server.restart();
    await server.put('Message/c', record('after the restart'));
    for (const path of [`Message?since=${seq}`, `Message?since=${seq}&retained=true`]) {
      using after = await WsClient.subscribe(server.wsUrl(path));
      expect(after.changes.items.map((frame) => [frame.message_type, frame.id])).toEqual([
        ['Update', 'b'],
        ['Delete', 'a'],
        ['Update', 'c'],
      ]);
      const seqs = after.changes.items.map((frame) => frame.seq);
      expect(seqs).toEqual([...seqs].sort((x, y) => x - y));
      expect(Math.min(...seqs)).toBeGreaterThan(seq);
    }
  });

  test.concurrent('a list and the stream from its X-Position fit together', async () => {
    await using server = await startServer();
    await server.put('Message/a', record('in the list'));
    const list = await server.ask('GET', 'Message');
    await server.put('Message/b', record('after the list'));
    using client = await WsClient.subscribe(server.wsUrl(`Message?since=${list.headers.get('x-position')}`));
    expect(client.changes.items.map((frame) => frame.id)).toEqual(['b']);
  });

  test.concurrent('a position that cannot be resumed is answered with reset and the whole state', async () => {
    await using server = await startServer();
    await server.put('Message/a', record('stored'));
    await server.put('Message/b', record('stored'));
    using client = await WsClient.subscribe(server.wsUrl('Message?since=9007199254740000'));
    expect(client.controls.items.map((frame) => frame.type)).toEqual(['reset', 'ready']);
    expect(client.controls.items[0]).toMatchObject({ reason: 'position_unknown', seq: expect.any(Number) });
    expect(client.changes.items.map((frame) => [frame.message_type, frame.id])).toEqual([
      ['Retained', 'a'],
      ['Retained', 'b'],
    ]);
  });

  test.concurrent('a graceful stop closes sockets with a code and a reason, streams with retry', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    using one = await WsClient.subscribe(server.wsUrl('Message/m'));
    using raw = await RawWs.open(server.port, '/my-app/Message');
    using stream = await SseClient.subscribe(server.url('Message'));
    const stopped = server.stop();
    for (const { closed } of [client, one]) {
      const { code, reason } = await closed;
      expect([1001, 1012]).toContain(code);
      expect(reason).not.toBe('');
    }
    expect([1001, 1012]).toContain(await raw.closeCode());
    await stream.ended;
    expect(stream.retry).toBeGreaterThanOrEqual(1_000);
    expect(stream.retry).toBeLessThanOrEqual(5_000);
    await stopped;
  });

  test.concurrent('a socket that answers no close frame delays the stop no longer than its limit', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}limits:\n  shutdown: 1s\n` });
    using raw = await RawWs.open(server.port, '/my-app/Message', { answerClose: false });
    await raw.json();
    const before = performance.now();
    await server.stop();
    expect(performance.now() - before).toBeLessThan(9_000);
    expect(await raw.closeCode()).toBe(1001);
  });

  test.concurrent('what was answered before a stop is there afterwards, and nothing hangs', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    const answered = writeUntilRefused(server);
    await client.changes.atLeast(50, 10_000);
    await server.stop();
    const ids = await answered;
    await server.restart();
    for (const id of ids) expect((await server.ask('GET', `Message/${id}`)).status).toBe(200);
    expect(ids.length).toBeGreaterThanOrEqual(50);
  });
});

/** The loop of the specification: connect again 3 s after every close. */
class LoopingClient implements Disposable {
  readonly changes = new Mailbox<ChangeFrame>('changes of the looping client');
  readonly opened = new Mailbox<number>('connections of the looping client');
  readonly #url: string;
  #socket: WebSocket | undefined;
  #stopped = false;

  constructor(url: string) {
    this.#url = url;
    this.#connect();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#socket?.terminate();
  }

  #connect(): void {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as ChangeFrame | ControlFrame;
      if ('message_type' in frame) this.changes.push(frame);
      else if (frame.type === 'ready') this.opened.push(performance.now());
    });
    // Refused while the server is away: the loop goes on, as in the specification.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (!this.#stopped) setTimeout(() => this.#connect(), 3_000);
    });
  }
}

/** Writes one record after the other until the server is gone; gives the ids that it said it stored. */
async function writeUntilRefused(server: TestServer): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let index = 0; index < 10_000; index += 1) {
    const answer = await server.ask('PUT', `Message/w${index}`, { json: record('w') }).catch(() => undefined);
    if (answer === undefined || answer.status >= 500) return ids;
    ids.push(`w${index}`);
  }
  return ids;
}
