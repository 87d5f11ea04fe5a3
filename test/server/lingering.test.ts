import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { registerNotFound } from '../../src/server/not-found.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { makeFolder, SCHEMA } from '../config/folders.ts';

async function start(limits: string): Promise<FastifyInstance> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tablecast-linger-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const config = `limits: {body: 50, ${limits}}\nlogging: {level: silent}\n`;
  const { server } = loadConfig(makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': config }), {});
  const lifecycle = { ready: true, stopping: false };
  const app = await createHttpServer(server, { dataDir, lifecycle, log: createLog(server) });
  onTestFinished(() => app.close());
  app.post('/echo', ({ body }) => ({ body }));
  registerNotFound(app, []);
  await app.listen({ host: '127.0.0.1', port: 0 });
  return app;
}

class Client {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  received = '';

  constructor(app: FastifyInstance) {
    const { port } = app.server.address() as AddressInfo;
    // Behaves like a client that ignores the end of the connection and continues to send.
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('error', () => {});
    this.socket.on('data', (data) => {
      this.received += data;
    });
    // A reset counts as an end.
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    onTestFinished(() => void this.socket.destroy());
  }

  send(line: string, headers: readonly string[], body = ''): void {
    this.socket.write([`${line} HTTP/1.1`, 'Host: localhost', ...headers, '', body].join('\r\n'));
  }

  /** Resolves when this text has arrived. */
  async until(text: string): Promise<void> {
    while (!this.received.includes(text)) await once(this.socket, 'data');
  }
}

const JSON_TYPE = 'Content-Type: application/json';
const HUGE = [JSON_TYPE, 'Content-Length: 1000000000'];

describe('the rest of a request that was answered', () => {
  test('is discarded up to limits.linger_size', async () => {
    const client = new Client(await start('linger_size: 1MiB'));
    client.send('POST /echo', HUGE);
    await client.until('BODY_TOO_LARGE');
    let sent = 0;
    while (!client.socket.destroyed) {
      client.socket.write(Buffer.alloc(65_536));
      sent += 65_536;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeGreaterThan(1024 * 1024);
  });

  test('is discarded for limits.linger_time', async () => {
    const client = new Client(await start('linger_time: 300ms'));
    client.send('POST /echo', HUGE);
    await client.until('BODY_TOO_LARGE');
    const timer = setInterval(() => client.socket.write('x'), 20);
    onTestFinished(() => clearInterval(timer));
    // The time limit of the test is the bound.
    await client.closed;
  });

  test('is discarded on up to limits.linger_connections, and beyond that the oldest is closed', async () => {
    const app = await start('linger_connections: 2');
    const clients: Client[] = [];
    for (let i = 0; i < 3; i++) {
      const client = new Client(app);
      client.send('POST /echo', HUGE);
      await client.until('BODY_TOO_LARGE');
      clients.push(client);
    }
    // A client that sends nothing does not notice.
    const timer = setInterval(() => clients[0]?.socket.write('x'), 20);
    onTestFinished(() => clearInterval(timer));
    await clients[0]?.closed;
    expect(clients.map(({ socket }) => socket.destroyed)).toEqual([true, false, false]);
  });

  test('does not delay the next request of a connection that is kept', async () => {
    const app = await start('linger_size: 1MiB');
    const body = 'x'.repeat(40);
    const next = '{"a":1}';
    const client = new Client(app);
    client.send('POST /echo', ['Content-Type: image/png', `Content-Length: ${body.length}`]);
    await client.until('UNSUPPORTED_MEDIA_TYPE');
    client.socket.write(body);
    client.send('POST /echo', [JSON_TYPE, `Content-Length: ${next.length}`], next);
    await client.until('{"body":{"a":1}}');
    client.send('POST /echo', [JSON_TYPE, 'Content-Length: 60']);
    await client.until('BODY_TOO_LARGE');
    client.received = '';
    client.socket.write('x'.repeat(60));
    client.send('POST /echo', [JSON_TYPE, `Content-Length: ${next.length}`], next);
    client.socket.end();
    await client.closed;
    expect(client.received).toBe('');
  });

  test('does not keep a server from stopping', async () => {
    const app = await start('linger_time: 1h');
    const client = new Client(app);
    client.send('POST /echo', HUGE);
    await client.until('BODY_TOO_LARGE');
    const timer = setInterval(() => client.socket.write('x'), 20);
    onTestFinished(() => clearInterval(timer));
    const { closeIdleSockets } = await import('../../src/server/node/open-sockets.ts');
    const idle = setInterval(() => closeIdleSockets(app), 50);
    await app.close();
    clearInterval(idle);
    await client.closed;
  });
});

describe('Expect: 100-continue', () => {
  const EXPECT = 'Expect: 100-continue';

  test.each([
    ['413', 'POST /echo', [JSON_TYPE, 'Content-Length: 60'], '413'],
    ['404', 'POST /nothing', [JSON_TYPE, 'Content-Length: 20'], '404'],
    ['415', 'POST /echo', ['Content-Type: image/png', 'Content-Length: 20'], '415'],
    ['400', 'POST /echo', [JSON_TYPE, 'Content-Length: 20', 'Host: other'], '400'],
  ])('gets no 100 before a %s, and the connection ends', async (_what, line, headers, status) => {
    const client = new Client(await start('linger_size: 1MiB'));
    client.send(line, [...headers, EXPECT]);
    await once(client.socket, 'end');
    expect(client.received).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(client.received.toLowerCase()).toContain('connection: close');
  });

  test('gets 100 when the body is read, and the connection is kept', async () => {
    const client = new Client(await start('linger_size: 1MiB'));
    for (let i = 0; i < 2; i++) {
      client.received = '';
      client.send('POST /echo', [JSON_TYPE, 'Content-Length: 7', EXPECT]);
      await client.until('HTTP/1.1 100 Continue\r\n\r\n');
      client.socket.write('{"a":1}');
      await client.until('{"body":{"a":1}}');
      expect(client.received.toLowerCase()).toContain('connection: keep-alive');
    }
  });
});
