import { describe, expect, test } from 'vitest';
import { makeHostCheck } from '../../src/server/checks/request-head.ts';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { rawHttp } from '../support/http.ts';
import { RawWs } from '../support/raw-ws.ts';

const REBOUND = [
  'evil.example',
  'evil.example:9996',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'evil-localhost',
  'localhost.',
  'localhost@evil.example',
  'localhost:9996:80',
  'localhost/',
  '127.0.0.1, evil.example',
  '0.0.0.0',
  '192.168.0.1',
  '[::2]',
  '2130706433',
  'constructor',
  '',
];

const status = async (port: number, host: string, more: readonly string[] = [], path = '/my-app/Message') =>
  (await rawHttp(port, [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...more, '', ''].join('\r\n'), 100)).status;

describe('a server on loopback', () => {
  test('is called by the names of loopback, on any port', async () => {
    await using server = await startServer();
    for (const name of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST', '127.0.0.2']) {
      expect(await status(server.port, name)).toBe(200);
      expect(await status(server.port, `${name}:1`)).toBe(200);
      expect(await status(server.port, `${name}:${server.port}`)).toBe(200);
    }
    const old = await rawHttp(server.port, 'GET /my-app/Message HTTP/1.0\r\n\r\n', 100);
    expect(old.status).toBe(200);
  });

  test('is not called by any other, on no transport and no address', async () => {
    await using server = await startServer({ files: { 'web/index.html': '<p>hello</p>' } });
    const { port } = server;
    for (const host of REBOUND) {
      // What is no name at all is refused by the parser.
      const statuses = [await status(port, host), await status(port, host, ['Accept: text/event-stream'])];
      for (const found of statuses) expect([400, 421], host).toContain(found);
    }
    for (const path of ['/', '/metrics', '/my-app/', '/my-app/docs', '/my-app/openapi.json', '/my-app/Message/a']) {
      expect(await status(port, 'evil.example', [], path)).toBe(421);
    }
    using ws = await RawWs.open(port, '/my-app/Message', {
      headers: [
        'Host: evil.example',
        // To the page it is its own origin.
        'Origin: http://evil.example',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ],
    });
    expect(ws.answer.status).toBe(421);
    expect(JSON.parse(ws.answer.body)).toMatchObject({ code: 'MISDIRECTED' });
    await ws.closed;
    const body = '{"title":"x","content":"y"}';
    const write = `POST /my-app/Message HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    expect((await rawHttp(port, write, 100)).status).toBe(421);
    expect((await server.ask('GET', 'Message')).records).toEqual([]);
    // Nothing but that it is there, for those who watch over it.
    expect(await status(port, 'evil.example', [], '/health/live')).toBe(200);
  });

  test('is called by the name in a whole URL, where there is one, and not by that in Host', async () => {
    await using server = await startServer();
    const { port } = server;
    const at = (url: string, host: string, method = 'GET') =>
      rawHttp(port, `${method} ${url} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 100);
    expect(await at('http://localhost:1/my-app/Message?limit=1', 'evil.example')).toMatchObject({
      status: 200,
      body: '[]',
    });
    expect((await at('HTTPS://127.0.0.1/health/ready?', 'localhost')).status).toBe(200);
    expect((await at('http://localhost', 'localhost')).status).toBe(404);
    expect((await at('http://localhost?x', 'localhost')).status).toBe(404);
    for (const name of ['evil.example', 'localhost@evil.example', '']) {
      expect((await at(`http://${name}/my-app/Message`, 'localhost')).status, name).toBeGreaterThanOrEqual(400);
    }
    const wrong = await at('http://localhost/my-app/Message', 'localhost', 'PUT');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS']);
    const bare = await rawHttp(port, 'GET http://localhost/my-app/Message HTTP/1.1\r\n\r\n', 100);
    expect(bare.status).toBe(400);
  });

  test('is called by configured names as well', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}allowed_hosts: [App.example, "[2001:db8::1]"]\n` });
    const { port } = server;
    for (const host of ['app.example', 'APP.EXAMPLE:443', '[2001:db8::1]:1', 'localhost']) {
      expect(await status(port, host)).toBe(200);
    }
    for (const host of ['www.app.example', 'app.example.evil.example', 'evil.example']) {
      expect(await status(port, host)).toBe(421);
    }
  });

  test('does not take the name from X-Forwarded-Host, whatever proxies are trusted', async () => {
    for (const trusted of [true, false]) {
      await using server = await startServer({ config: `${BASE_CONFIG}trust_proxy: ${trusted}\n` });
      expect(await status(server.port, 'evil.example', ['X-Forwarded-Host: localhost'])).toBe(421);
    }
  });

  test('remembers no more spellings than it needs', async () => {
    await using server = await startServer();
    const asked = Array.from({ length: 300 }, (_, index) => status(server.port, `localhost:${index + 1}`));
    expect(new Set(await Promise.all(asked))).toEqual(new Set([200]));
    expect(await status(server.port, 'evil.example')).toBe(421);
  });
});

test('a server on other addresses takes any name, until names are configured', () => {
  expect(makeHostCheck({ host: '0.0.0.0', allowedHosts: [] })).toBeUndefined();
  const isOurName = makeHostCheck({ host: '0.0.0.0', allowedHosts: ['app.example'] });
  const asked = (headers: Record<string, string>, url = '/') => isOurName?.({ headers, url } as never);
  expect(asked({ host: 'app.example:8080' })).toBe(true);
  expect(asked({ host: 'evil.example' })).toBe(false);
  // HTTP/2, with either field or both.
  expect(asked({ ':authority': 'app.example' })).toBe(true);
  expect(asked({ ':authority': 'evil.example', host: 'app.example' })).toBe(false);
  expect(asked({ ':authority': 'app.example', host: 'evil.example' })).toBe(false);
});
