import { once } from 'node:events';
import { createServer, request as get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { BASE_CONFIG, MESSAGE_SCHEMA, startServer } from '../support/app.ts';
import { accessToken, bearer, startAuthServer } from '../support/auth-app.ts';
import { ask, rawHttp } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const ACTIONS = 'read, create, update, delete, subscribe, publish';
const record = { title: 'one', content: 'x' };

test('a table with a slash at its end is the table, for every method', async () => {
  await using server = await startServer({ schema: MESSAGE_SCHEMA.replace('rest: true', `public: [${ACTIONS}]`) });
  const created = await server.ask('POST', 'Message/', { json: { id: 'a', ...record } });
  expect([created.status, created.record]).toEqual([201, { id: 'a', ...record }]);
  await server.ask('POST', 'Message/', { json: [{ id: 'b', ...record }] });
  const list = await server.ask('GET', 'Message/?limit=1');
  expect([list.status, list.records]).toEqual([200, [{ id: 'a', ...record }]]);
  const headers = { 'if-none-match': list.headers.get('etag') ?? '' };
  expect((await server.ask('GET', 'Message/?limit=1', { headers })).status).toBe(304);
  expect((await server.ask('GET', 'Message?limit=1', { headers })).status).toBe(304);
  expect((await server.ask('HEAD', 'Message/')).status).toBe(200);
  expect((await server.ask('PATCH', 'Message/?id==a', { json: { title: 'two' } })).record.changed).toBe(1);
  expect((await server.ask('POST', 'Message/?publish=true', { json: { n: 1 } })).status).toBe(202);
  expect((await server.ask('DELETE', 'Message/?id==a')).record.changed).toBe(1);
  const put = await server.ask('PUT', 'Message/', { json: record });
  expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS']);
  const options = await server.ask('OPTIONS', 'Message/');
  expect([options.status, options.headers.get('allow')]).toEqual([
    204,
    'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS',
  ]);
});

test('and so are its streams', async () => {
  await using server = await startServer();
  using socket = await WsClient.subscribe(server.wsUrl('Message/'));
  using stream = await SseClient.subscribe(server.url('Message/?title==one'));
  await server.put('Message/a', record);
  expect(await socket.next()).toMatchObject({ id: 'a', op: 'create' });
  expect((await stream.next('update')).json).toMatchObject({ id: 'a' });
});

test('it asks who is there as the table does', async () => {
  await using server = await startAuthServer();
  expect((await server.ask('GET', 'Locked/')).status).toBe(401);
  expect((await server.ask('GET', 'Locked/', bearer('nonsense'))).status).toBe(401);
  const admin = bearer(accessToken('root', { roles: ['admin'] }));
  expect((await server.ask('GET', 'Locked/', admin)).records).toEqual([]);
  expect((await server.ask('GET', 'Note/', bearer('nonsense'))).status).toBe(401);
});

test('a record has no slash at its end, and a table no two', async () => {
  await using server = await startServer();
  await server.put('Message/a', record);
  for (const path of ['Message/a/', 'Message//', 'Message//a']) {
    expect([path, (await server.ask('GET', path)).status]).toEqual([path, 404]);
  }
});

test('a table that has no REST handlers has none with a slash either', async () => {
  await using server = await startServer({ config: BASE_CONFIG.replace('rest: true', 'rest: false') });
  for (const path of ['Message', 'Message/']) expect((await server.ask('GET', path)).status).toBe(404);
  using stream = await SseClient.subscribe(server.url('Message/'));
  expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
});

const JSON_TYPE = 'application/json; charset=utf-8';
const STREAM_TYPE = 'text/event-stream; charset=utf-8';

test('the answer is what Accept likes best, of what the address has', async () => {
  await using server = await startServer();
  await using streams = await startServer({ config: BASE_CONFIG.replace('rest: true', 'rest: false') });
  const typeOf = async (from: typeof server, accept: string) => {
    const response = await fetch(from.url('Message'), { headers: { accept } });
    await response.body?.cancel();
    return response.headers.get('content-type');
  };
  expect(await typeOf(server, 'application/json, text/event-stream')).toBe(JSON_TYPE);
  expect(await typeOf(server, '*/*')).toBe(JSON_TYPE);
  expect(await typeOf(server, 'text/event-stream, application/json')).toBe(STREAM_TYPE);
  expect(await typeOf(server, 'text/html, text/event-stream;q=0.1')).toBe(STREAM_TYPE);
  expect(await typeOf(streams, 'application/json, text/event-stream')).toBe(STREAM_TYPE);
  expect(await typeOf(streams, 'application/json')).toContain('application/problem+json');
});

test('HEAD of a stream is its head, and what is wrong with it', async () => {
  await using server = await startServer();
  for (const [path, headers] of [
    ['Message?stream=sse', {}],
    ['Message', { accept: 'text/event-stream' }],
    ['Message/a?stream=sse&retained=false', {}],
  ] as const) {
    const { status, headers: answer } = await server.ask('HEAD', path, { headers });
    expect([path, status, answer.get('content-type'), answer.get('content-length')]).toEqual([
      path,
      200,
      STREAM_TYPE,
      null,
    ]);
    expect(answer.get('cache-control')).toBe('no-cache, no-transform');
  }
  expect((await server.ask('HEAD', 'Message?stream=sse&since=x')).status).toBe(400);
  expect(await server.metric(/^tablecast_\w*connections\w*\{[^}]*"sse"/)).toBe(0);
});

test('a stream by another word is refused with the right one', async () => {
  await using server = await startServer({
    schema: `${MESSAGE_SCHEMA}
type Song @table @export { id: ID! @primaryKey stream: String }`,
  });
  for (const path of ['Message?stream=SSE', 'Message?limit=1&stream=', 'Message/a?stream=events']) {
    expect((await server.ask('GET', path)).record).toMatchObject({
      code: 'INVALID_QUERY',
      detail: expect.stringContaining('stream must be sse'),
    });
  }
  expect((await server.ask('GET', 'Message?stream=ws')).record.detail).toContain('by an upgrade');
  expect((await server.ask('GET', 'Song?stream=SSE')).records).toEqual([]);
});

test('an upgrade in HTTP/1.0 is none', async () => {
  await using server = await startServer();
  const upgrade = [
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ].join('\r\n');
  const { status, body } = await rawHttp(server.port, `GET /my-app/Message HTTP/1.0\r\n${upgrade}\r\n\r\n`);
  expect([status, body]).toEqual([200, '[]']);
});

test('Link and Location hold behind a proxy that takes something from the path', async () => {
  await using server = await startServer({ files: { 'web/index.html': '<p>x</p>' } });
  const proxy = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    const path = url.replace(/^\/backend/, '');
    const onward = get({ port: server.port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  }).listen(0, '127.0.0.1');
  try {
    await once(proxy, 'listening');
    const base = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/backend/my-app`;
    for (const [method, path, id] of [
      ['POST', 'Message', 'a b/c?d:e'],
      ['POST', 'Message/', 'javascript:x'],
      ['POST', 'Message?publish=false', '//x'],
      ['PUT', 'Message/é', 'é'],
    ] as const) {
      const url = `${base}/${path}`;
      const created = await ask(method, url, { json: { id, ...record } });
      expect(created.status).toBe(201);
      const found = await ask('GET', new URL(created.headers.get('location') ?? '', url).href);
      expect(found.record).toEqual({ id, ...record });
    }
    for (const path of ['Message', 'Message/']) {
      const seen: unknown[] = [];
      let url: string | undefined = `${base}/${path}?limit=1`;
      while (url !== undefined) {
        const { records, headers } = await ask('GET', url);
        seen.push(...records);
        const next = /<([^>]*)>/.exec(headers.get('link') ?? '')?.[1];
        url = next === undefined ? undefined : new URL(next, url).href;
      }
      expect(seen).toHaveLength(4);
    }
    const page = await ask('GET', base);
    expect(new URL(page.headers.get('location') ?? '', base).href).toBe(`${base}/`);
  } finally {
    proxy.close();
  }
});
