import { once } from 'node:events';
import { appendFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { connect as openSession } from 'node:http2';
import { Agent, get as getSecure } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { RawWs } from '../support/raw-ws.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const PATH = '/my-app/Message';

interface Stream {
  readonly text: string;
  /** Whether it was ended and not broken off. */
  readonly complete: boolean;
}

/** Opens an event stream; what it gives is the whole of it, once it has ended. */
async function openStream(url: string): Promise<Promise<Stream>[]> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent: false }, resolve).once('error', reject);
  });
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  response.on('error', () => undefined);
  // In an array, since a promise of a promise would be waited for.
  return [new Promise((resolve) => response.once('close', () => resolve({ text, complete: response.complete })))];
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Asks it to stop and waits until it has begun to. */
async function beginStop(server: TestServer): Promise<void> {
  process.kill(server.pid, 'SIGTERM');
  await server.logs.next(({ msg }) => msg === 'stopping');
}

async function gone(pid: number, timeout: number): Promise<number> {
  const started = performance.now();
  await until(
    async () => isRunning(pid),
    (running) => !running,
    { timeout, what: 'the end of the process' },
  );
  return performance.now() - started;
}

describe('a stop', { timeout: 120_000 }, () => {
  test('with 200 clients and writes under way loses nothing that was answered and reports the stop to every client', async () => {
    await using server = await startServer();
    const sockets: WsClient[] = [];
    const streams: Promise<Stream>[] = [];
    try {
      for (let n = 0; n < 100; n++) {
        sockets.push(await WsClient.subscribe(server.wsUrl('Message?echo=false')));
        streams.push(...(await openStream(server.url('Message?stream=sse'))));
      }
      const acknowledged = new Set<string>();
      const broken: string[] = [];
      const byHttp = async (name: string): Promise<void> => {
        for (let n = 0; n < 5000; n++) {
          const id = `${name}-${n}`;
          try {
            const { status, text } = await server.ask('PUT', `Message/${id}`, { json: { title: id, content: id } });
            if (status === 201) acknowledged.add(id);
            else if (status !== 503 || !text.includes('STOPPING')) broken.push(`${id}: ${status} ${text}`);
            if (status !== 201) return;
          } catch {
            return;
          }
        }
      };
      const writers = Array.from({ length: 10 }, (_, n) => byHttp(`h${n}`));
      const bySocket = async (ws: WsClient, name: string): Promise<void> => {
        for (let n = 0; ws.isOpen && n < 5000; n++) {
          const id = `${name}-${n}`;
          ws.send({ message_type: 'Update', id, data: { title: id, content: id }, ref: id });
          try {
            await ws.control('ack', id);
          } catch {
            return;
          }
          acknowledged.add(id);
          await pause(25);
        }
      };
      writers.push(...sockets.slice(0, 10).map((ws, n) => bySocket(ws, `w${n}`)));
      await until(
        async () => acknowledged.size,
        (count) => count > 200,
      );
      const started = performance.now();
      await server.stop();
      expect(performance.now() - started).toBeLessThan(30_000);
      const closes = await Promise.all(sockets.map(({ closed }) => closed));
      expect(closes.filter(({ code }) => code !== 1001)).toEqual([]);
      const ended = await Promise.all(streams);
      expect(ended.filter(({ complete }) => !complete)).toEqual([]);
      const delays = ended.map(({ text }) => Number(/\nretry: (\d+)\n\n$/.exec(text)?.[1]));
      expect(delays.filter((delay) => !(delay >= 1000 && delay <= 5000))).toEqual([]);
      expect(new Set(delays).size).toBeGreaterThan(20);
      await Promise.all(writers);
      expect(broken).toEqual([]);

      await server.start();
      const missing: string[] = [];
      for (const id of acknowledged) {
        if ((await server.ask('GET', `Message/${id}`)).status !== 200) missing.push(id);
      }
      expect(missing).toEqual([]);
    } finally {
      for (const ws of sockets) ws.terminate();
    }
  });

  test('answers the request that is under way, and takes no other', async () => {
    await using server = await startServer();
    using stuck = await RawWs.open(server.port, PATH, { answerClose: false });
    const body = JSON.stringify({ id: 'slow', title: 'slow', content: '' });
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(
      `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 9)}`,
    );
    // Its head has been read once a later request on another connection was answered.
    await pause(100);
    expect((await server.ask('GET', 'Message')).status).toBe(200);
    await beginStop(server);
    await expect(ask('GET', `${server.origin}/health/live`, { headers: { connection: 'close' } })).rejects.toThrow();
    socket.write(body.slice(9));
    await until(
      async () => answer,
      (text) => text.includes('\r\n\r\n'),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    stuck[Symbol.dispose]();
    // Neither waits for a client that would keep its connection open.
    expect(await gone(server.pid, 30_000)).toBeLessThan(9000);
    await closed;
    await server.stop();
    await server.start();
    expect((await server.ask('GET', 'Message/slow')).status).toBe(200);
  });
});

describe('a stop while a client reads slowly', { timeout: 120_000 }, () => {
  test.each([
    ['HTTP/1.1', '', get],
    ['HTTP/1.1 over TLS', 'tls: auto\n', getSecure],
  ])('sends the whole answer: %s', async (_, more, open) => {
    await using server = await startServer();
    const content = 'x'.repeat(500_000);
    for (let n = 0; n < 40; n++) await server.put(`Message/m${n}`, { title: '', content });
    await server.stop();
    await appendFile(join(server.dir, 'config.yaml'), more);
    await server.start();
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { agent: false as const, rejectUnauthorized: false };
      open(server.url('Message?limit=100'), options, resolve).once('error', reject);
    });
    // Far more than the sockets of both sides take.
    await pause(200);
    const { pid } = server;
    await beginStop(server);
    await pause(300);
    expect(isRunning(pid)).toBe(true);
    let bytes = 0;
    answer.on('error', () => undefined).on('data', (chunk: Buffer) => (bytes += chunk.length));
    await once(answer, 'close');
    expect(bytes).toBe(Number(answer.headers['content-length']));
    expect(answer.complete).toBe(true);
    await gone(pid, 30_000);
    await server.stop();
  });
});

describe('a stop over TLS', { timeout: 120_000 }, () => {
  test('ends connections that their clients keep, over HTTP/2 and HTTP/1.1', async () => {
    const server = await startServer({ config: `${BASE_CONFIG}tls: auto\n` });
    const session = openSession(server.origin, { rejectUnauthorized: false });
    session.on('error', () => undefined);
    const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
    try {
      for (const path of [`${PATH}?stream=sse`, PATH]) {
        const stream = session.request({ ':path': path });
        stream.on('error', () => undefined);
        await once(stream, 'response');
      }
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        getSecure(`${server.origin}${PATH}`, { agent }, resolve).once('error', reject);
      });
      await once(answer.resume(), 'end');
      const { pid } = server;
      process.kill(pid, 'SIGTERM');
      // Long before the deadline of ten seconds, although no client closes anything.
      await until(
        async () => isRunning(pid),
        (running) => !running,
        { timeout: 30_000 },
      );
      await server.stop();
    } finally {
      session.destroy();
      agent.destroy();
      await server.discard();
    }
  });
});

describe('a stop that is held up', { timeout: 120_000 }, () => {
  const HELD = `${BASE_CONFIG}limits: { shutdown: 1s }\n`;

  test('by a socket that does not answer the close frame ends at the deadline, with code 0', async () => {
    await using server = await startServer({ config: HELD });
    using stuck = await RawWs.open(server.port, PATH, { answerClose: false });
    const started = performance.now();
    await server.stop();
    expect(performance.now() - started).toBeLessThan(9000);
    expect(await stuck.closeCode()).toBe(1001);
  });

  test('by a stream that is not read ends at the deadline, with code 0', async () => {
    await using server = await startServer({ config: HELD });
    using sse = await SseClient.subscribe(server.url('Message?stream=sse'));
    sse.pause();
    const content = 'x'.repeat(500_000);
    for (let n = 0; n < 30; n++) await server.put(`Message/m${n}`, { title: '', content });
    const started = performance.now();
    await server.stop();
    expect(performance.now() - started).toBeLessThan(9000);
  });

  test('by a request whose body never comes ends at the deadline, with code 0', async () => {
    await using server = await startServer({ config: HELD });
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(
      `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{`,
    );
    await pause(100);
    const started = performance.now();
    await server.stop();
    expect(performance.now() - started).toBeLessThan(9000);
    socket.resume();
    await closed;
  });

  test('ends at once on a second signal, and what was answered is there', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}limits: { shutdown: 20s }\n` });
    using _stuck = await RawWs.open(server.port, PATH, { answerClose: false });
    await server.put('Message/kept', { title: '', content: '' });
    const { pid } = server;
    await beginStop(server);
    process.kill(pid, 'SIGTERM');
    expect(await gone(pid, 30_000)).toBeLessThan(9000);
    await expect(server.stop()).rejects.toThrow(/ended with \d+ /);
    await server.start();
    expect((await server.ask('GET', 'Message/kept')).status).toBe(200);
  });
});
