import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { startAuthServer } from '../support/auth-app.ts';
import { ask } from '../support/http.ts';
import { routesApp } from '../support/routes-app.ts';

const COLLECTION = 'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS';
const RECORD = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
const PATCHES = 'application/json, application/merge-patch+json, application/cbor, application/vnd.msgpack';
const CORS = 'cors: {origins: ["https://app.example"]}\n';

test.each([
  ['without CORS', '', {}],
  ['of no page', CORS, {}],
  ['of a page of another origin', CORS, { origin: 'https://app.example' }],
  ['of a page that asks first', CORS, { origin: 'https://app.example', 'access-control-request-method': 'PUT' }],
  ['of any page', 'cors: {origins: ["*"]}\n', { origin: 'https://evil.example' }],
])('OPTIONS says what there is, %s', async (_what, cors, headers) => {
  await using server = await startServer({
    ...routesApp(`export const routes = {
      now: defineRoute({ method: ['GET', 'PUT'], handler: () => ({}) }),
      'item/:id': defineRoute({ method: 'DELETE', handler: () => ({}) }),
      live: defineRoute({ kind: 'sse', handler: async function* () { yield 1; } }),
      talk: defineRoute({ kind: 'ws', handler: { onMessage: () => {} } }),
    };`),
    config: `${BASE_CONFIG}routes: routes.ts\n${cors}flows:
  in:
    from: {connector: http, operation: "POST /orders/:id"}
    to: {connector: table, operation: create, target: Log}
`,
  });
  const expected = [
    ['Log', COLLECTION, PATCHES],
    ['Log/', COLLECTION, PATCHES],
    ['Log?x=1', COLLECTION, PATCHES],
    ['Log/a%2Fb', RECORD, PATCHES],
    ['api/now', 'GET, HEAD, PUT, OPTIONS', null],
    ['api/item/7', 'DELETE, OPTIONS', null],
    ['api/live', 'GET, OPTIONS', null],
    ['api/talk', 'GET, OPTIONS', null],
    ['orders/7', 'POST, OPTIONS', null],
    ['openapi.json', 'GET, HEAD, OPTIONS', null],
    ['flows/dead-letters/x/replay', 'POST, OPTIONS', null],
    ['api/v1/realtime/ws', 'GET, OPTIONS', null],
    ['api/v1/realtime/subscribe', 'GET, OPTIONS', null],
  ];
  for (const [path = '', allow, patches] of expected) {
    const { status, headers: answer, text } = await server.ask('OPTIONS', String(path), { headers });
    expect([path, status, answer.get('allow'), answer.get('accept-patch'), text]).toEqual([
      path,
      204,
      allow,
      patches,
      '',
    ]);
  }
  const health = await ask('OPTIONS', `${server.origin}/health/live`, { headers });
  expect([health.status, health.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
});

test('OPTIONS of a file is about the file, and of nothing 404', async () => {
  await using server = await startServer({
    files: { 'web/index.html': '<p>x</p>', 'web/.secret': 'x', 'web/sub/a b.txt': 'x' },
  });
  for (const path of ['', 'index.html', 'sub/a%20b.txt']) {
    const { status, headers } = await server.ask('OPTIONS', path);
    expect([path, status, headers.get('allow')]).toEqual([path, 204, 'GET, HEAD, OPTIONS']);
    const posted = await server.ask('POST', path, { json: {} });
    expect([path, posted.status, posted.headers.get('allow')]).toEqual([path, 405, 'GET, HEAD, OPTIONS']);
  }
  for (const path of ['none.html', '.secret', 'sub', 'sub/', '..%2fconfig.yaml', 'Message/a/b']) {
    const { status } = await server.ask('OPTIONS', path);
    expect([path, status]).toEqual([path, 404]);
  }
});

test('OPTIONS wants no credential, and tells of addresses that take POST alone', async () => {
  await using server = await startAuthServer();
  expect((await server.ask('OPTIONS', 'Locked')).headers.get('allow')).toBe(COLLECTION);
  const { status, headers } = await server.ask('OPTIONS', 'auth/ticket');
  expect([status, headers.get('allow')]).toEqual([204, 'POST, OPTIONS']);
});

test('a PATCH of another content type is told which ones there are, other methods are not', async () => {
  await using server = await startServer();
  const headers = { 'content-type': 'application/xml' };
  for (const path of ['Message/a', 'Message?all=true']) {
    for (const type of ['application/xml', 'text/csv', 'application/x-ndjson']) {
      const answer = await server.ask('PATCH', path, { body: 'id\n1\n', headers: { 'content-type': type } });
      if (type === 'application/x-ndjson') expect(answer.status).toBeGreaterThanOrEqual(400);
      else expect([path, answer.status, answer.headers.get('accept-patch')]).toEqual([path, 415, PATCHES]);
    }
  }
  const put = await server.ask('PUT', 'Message/a', { body: '<x/>', headers });
  expect([put.status, put.headers.get('accept-patch')]).toEqual([415, null]);
  const bad = await server.ask('PATCH', 'Message/a', { json: { colour: 1 } });
  expect([bad.status, bad.headers.get('accept-patch')]).toEqual([400, null]);
});
