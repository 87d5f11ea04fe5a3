import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp2, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ServerConfig } from '../../src/config/config.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { registerNotFound } from '../../src/server/not-found.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { LIMITS } from '../query/tables.ts';

const CONFIG: ServerConfig = {
  host: '127.0.0.1',
  port: 0,
  tls: undefined,
  trustProxy: false,
  allowedHosts: [],
  cors: { origins: [], credentials: false, allowedHeaders: [], exposedHeaders: [] },
  metrics: undefined,
  console: { enabled: true, allow: undefined, idleLock: 0 },
  logging: { level: 'silent', format: 'json', requests: true },
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
  registerNotFound(app, []);
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, lifecycle };
}

/** Returns everything that the server sends in response to these bytes until it closes the connection. */
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
  test('accepts JSON up to its limits', async () => {
    const { app } = await start();
    const post = (payload: string) =>
      app.inject({ method: 'POST', url: '/echo', payload, headers: { 'content-type': 'application/json' } });
    expect((await post('{"a":1}')).json()).toEqual({ body: { a: 1 } });
    const large = await post(JSON.stringify('x'.repeat(60)));
    expect([large.statusCode, large.headers.connection]).toEqual([413, 'close']);
    expect((await app.inject(`/item/${'x'.repeat(100)}`)).json()).toMatchObject({ code: 'URL_TOO_LONG', status: 414 });
    expect((await app.inject('/item/%zz')).json()).toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('refuses requests while it stops, with Retry-After and a closed connection', async () => {
    const { app, lifecycle } = await start();
    lifecycle.stopping = true;
    const { statusCode, headers } = await app.inject('/item/a');
    expect([statusCode, headers['retry-after'], headers.connection]).toEqual([503, '1', 'close']);
  });

  test('answers invalid HTTP with problem details and closes the connection', async () => {
    const { app } = await start();
    const answer = await send(app, 'NONSENSE\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Malformed request\r\n/);
    expect(answer).toContain('Content-Type: application/problem+json');
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({ code: 'BAD_REQUEST' });
    const big = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    expect(await send(app, big)).toMatch(/^HTTP\/1\.1 431 /);
  });

  const HOST = 'Host: localhost\r\n';
  const JSON_BODY = 'Content-Type: application/json\r\nContent-Length: 7\r\n';
  test.each([
    ['no Host', 'GET /item/a HTTP/1.1\r\n', 400, 'A request has a Host.'],
    [
      'no Host, for an upgrade',
      'GET /item/a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n',
      400,
      'a Host.',
    ],
    ['two Hosts', `GET /item/a HTTP/1.1\r\n${HOST}HOST: localhost\r\n`, 400, 'A request has one Host.'],
    [
      'two Content-Types',
      `POST /echo HTTP/1.1\r\n${HOST}${JSON_BODY}content-type: text/csv\r\n`,
      400,
      'A request has one Content-Type.',
    ],
    [
      'a body that is coded and chunked',
      `POST /echo HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n`,
      400,
      'Transfer-Encoding may only be chunked',
    ],
    ['an unknown Expect', `GET /item/a HTTP/1.1\r\n${HOST}Expect: wonders\r\n`, 417, 'Expect may be 100-continue.'],
    [
      'an unknown Expect beside the known one',
      `POST /echo HTTP/1.1\r\n${HOST}${JSON_BODY}Expect: 100-continue, wonders\r\n`,
      417,
      'Expect may be 100-continue.',
    ],
    ['QUERY', `QUERY /item/a HTTP/1.1\r\n${HOST}Connection: close\r\n`, 405, 'QUERY is not allowed at this address'],
    ['a version that only TLS has', `GET /item/a HTTP/2.0\r\n${HOST}`, 400, 'version of HTTP is not supported'],
    ['an obsolete version', `GET /item/a HTTP/0.9\r\n${HOST}`, 400, 'version of HTTP is not supported'],
    ['no version', 'GET /item/a\r\n', 400, 'version of HTTP is not supported'],
    ['CONNECT of another version', 'CONNECT localhost:80 HTTP/2.0\r\n', 405, 'CONNECT is not supported'],
    ['CONNECT', `CONNECT localhost:80 HTTP/1.1\r\n${HOST}`, 405, 'CONNECT is not supported'],
  ])('answers %s with problem details and closes the connection', async (_what, lines, status, detail) => {
    const { app } = await start();
    const answer = (await send(app, `${lines}\r\n`)).replace('HTTP/1.1 100 Continue\r\n\r\n', '');
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head.toLowerCase()).toContain('content-type: application/problem+json; charset=utf-8');
    expect(head.toLowerCase()).toContain('\r\nconnection: close');
    expect(JSON.parse(body)).toMatchObject({ status, detail: expect.stringContaining(detail) });
    if (status === 405) expect(head).toContain('\r\nallow: GET, HEAD');
  });

  test.each([
    ['HTTP/1.0 without Host', 'GET /item/a HTTP/1.0\r\n\r\n', '{"id":"a"}'],
    ['HTTP/1.0 with an Expect, which it does not have', 'GET /item/a HTTP/1.0\r\nExpect: x\r\n\r\n', '{"id":"a"}'],
    [
      'a body that waits for 100',
      `POST /echo HTTP/1.1\r\n${HOST}${JSON_BODY}Expect: 100-Continue\r\nConnection: close\r\n\r\n{"a":1}`,
      '{"body":{"a":1}}',
    ],
    [
      'a chunked body with an extension and trailers, which are no header fields',
      `POST /echo HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n7;x=1\r\n{"a":1}\r\n0\r\nHost: other\r\nIf-Match: "1"\r\n\r\n`,
      '{"body":{"a":1}}',
    ],
  ])('accepts %s', async (_what, bytes, expected) => {
    const { app } = await start();
    const answer = await send(app, bytes);
    expect(answer).toContain('HTTP/1.1 200 OK\r\n');
    expect(answer.slice(answer.lastIndexOf('\r\n\r\n') + 4)).toBe(expected);
  });

  test('answers OPTIONS for the server as a whole', async () => {
    const { app } = await start();
    const answer = await send(app, `OPTIONS * HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 204 No Content\r\n/);
    expect(answer).toContain('\r\nallow: GET, HEAD, QUERY, POST, PUT, PATCH, DELETE, OPTIONS\r\n');
    expect(answer.toLowerCase()).not.toContain('content-length');
  });

  test('refuses over HTTP/2 what it refuses over HTTP/1.1 and keeps the connection', async () => {
    const { app } = await start({ tls: 'auto' });
    const { port } = app.server.address() as AddressInfo;
    const session = connectHttp2(`https://localhost:${port}`, { rejectUnauthorized: false });
    onTestFinished(() => session.destroy());
    const ask = async (headers: OutgoingHttpHeaders) => {
      const stream = session.request(headers);
      stream.end();
      const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders];
      let body = '';
      for await (const chunk of stream) body += String(chunk);
      return [answer[':status'], answer.allow, JSON.parse(body).code];
    };
    const allow = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
    expect(await ask({ ':method': 'CONNECT', ':authority': 'localhost:80' })).toEqual([
      405,
      allow,
      'METHOD_NOT_ALLOWED',
    ]);
    expect(await ask({ ':path': '/item/a', expect: 'wonders' })).toEqual([417, undefined, 'EXPECTATION_FAILED']);
    expect(await ask({ ':path': '/item/a' })).toEqual([200, undefined, undefined]);
  });

  test('closes a connection when it answers the upgrade instead', async () => {
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
