import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ServerConfig } from '../../src/config/config.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { createLog } from '../../src/server/log.ts';
import { LIMITS } from '../query/tables.ts';

const CONFIG: ServerConfig = {
  host: '127.0.0.1',
  port: 0,
  tls: undefined,
  trustProxy: false,
  allowedHosts: [],
  cors: { origins: [], credentials: false },
  metrics: undefined,
  logging: { level: 'silent', requests: true },
  limits: { ...LIMITS, url: 100, body: 50 },
  compression: { enabled: true, threshold: 1024 },
  channels: {
    pingInterval: 1,
    pongTimeout: 1,
    heartbeatInterval: 30_000,
    ssePingInterval: 1,
    slowClientTimeout: 1,
    clientBuffer: 1,
  },
};

async function start(
  config: Partial<ServerConfig> = {},
): Promise<{ app: FastifyInstance; lifecycle: { ready: boolean; stopping: boolean } }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tablecast-http-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const lifecycle = { ready: true, stopping: false };
  const whole = { ...CONFIG, ...config };
  const app = await createHttpServer(whole, { dataDir, lifecycle, log: createLog(whole) });
  onTestFinished(() => app.close());
  app.post('/echo', ({ body }) => ({ body }));
  app.get('/item/:id', ({ params }) => params);
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, lifecycle };
}

/** Everything that the server answers to these bytes until it closes. */
async function send(app: FastifyInstance, bytes: string): Promise<string> {
  const { port } = app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

describe('the HTTP server', () => {
  test('takes JSON up to its limits', async () => {
    const { app } = await start();
    const post = (payload: string) =>
      app.inject({ method: 'POST', url: '/echo', payload, headers: { 'content-type': 'application/json' } });
    expect((await post('{"a":1}')).json()).toEqual({ body: { a: 1 } });
    const large = await post(JSON.stringify('x'.repeat(60)));
    expect([large.statusCode, large.headers.connection]).toEqual([413, 'close']);
    expect((await app.inject(`/item/${'x'.repeat(100)}`)).json()).toMatchObject({ code: 'URL_TOO_LONG', status: 414 });
    expect((await app.inject('/item/%zz')).json()).toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('refuses requests while it stops, and asks to come back elsewhere', async () => {
    const { app, lifecycle } = await start();
    lifecycle.stopping = true;
    const { statusCode, headers } = await app.inject('/item/a');
    expect([statusCode, headers['retry-after'], headers.connection]).toEqual([503, '1', 'close']);
  });

  test('answers what is not HTTP with a problem, and closes', async () => {
    const { app } = await start();
    const answer = await send(app, 'NONSENSE\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Malformed request\r\n/);
    expect(answer).toContain('Content-Type: application/problem+json');
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({ code: 'BAD_REQUEST' });
    const big = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    expect(await send(app, big)).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('closes a connection whose upgrade it answers', async () => {
    const { app } = await start();
    const answer = await send(
      app,
      'GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer.toLowerCase()).toContain('connection: close');
  });

  test('speaks TLS with a certificate that it makes', async () => {
    const { app } = await start({ tls: 'auto' });
    expect((await app.inject('/item/a')).json()).toEqual({ id: 'a' });
    expect(app.server.constructor.name).toContain('Http2SecureServer');
  });
});
