import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { startAuthServer } from '../support/auth-app.ts';
import { ask } from '../support/http.ts';
import { routesApp } from '../support/routes-app.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';

const TYPES = ['application/json', 'application/x-ndjson', 'text/csv', 'application/cbor', 'application/msgpack'];

/** The header fields of a stream, which is then left. */
async function openStream(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Headers> {
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers } });
  await response.body?.cancel();
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  return response.headers;
}

test.each(TYPES)('records and lists are asked for again by caches, as %s', async (accept) => {
  await using server = await startServer();
  await server.put('Message/a', { title: 'one', content: 'x' });
  for (const path of ['Message', 'Message?limit=1', 'Message/a', 'Message/a?select=title']) {
    for (const method of ['GET', 'HEAD']) {
      const found = await server.ask(method, path, { headers: { accept } });
      expect([path, method, found.status, found.headers.get('cache-control')]).toEqual([path, method, 200, 'no-cache']);
      const headers = { accept, 'if-none-match': found.headers.get('etag') ?? '' };
      const same = await server.ask(method, path, { headers });
      expect([path, method, same.status, same.headers.get('cache-control')]).toEqual([path, method, 304, 'no-cache']);
    }
  }
});

test('where callers show who they are, only their own caches keep records and lists', async () => {
  await using server = await startAuthServer();
  await server.put('Note/a', { text: 'one' });
  for (const path of ['Note', 'Note/a']) {
    const found = await server.ask('GET', path);
    expect([path, found.headers.get('cache-control')]).toEqual([path, 'private, no-cache']);
    const same = await server.ask('GET', path, { headers: { 'if-none-match': found.headers.get('etag') ?? '' } });
    expect([path, same.status, same.headers.get('cache-control')]).toEqual([path, 304, 'private, no-cache']);
  }
  expect((await openStream(server.url('Note'))).get('cache-control')).toBe('no-cache, no-transform');
});

test('an error, health and metrics are kept by no cache', async () => {
  await using server = await startServer();
  const answers = [
    [404, await server.ask('GET', 'Message/none')],
    [404, await server.ask('GET', 'Nothing')],
    [405, await server.ask('PUT', 'Message')],
    [400, await server.ask('GET', 'Message?colour=red')],
    [200, await ask('GET', `${server.origin}/health/live`)],
    [200, await ask('GET', `${server.origin}/health/ready`)],
    [200, await ask('GET', `${server.origin}/metrics`)],
  ] as const;
  for (const [status, answer] of answers) {
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([status, 'no-store']);
  }
});

test('every stream says that it must not be changed on its way', async () => {
  const rooms = '\nconnectors:\n  room: {type: sse, path: /room}\n';
  await using server = await startServer({
    ...routesApp(
      `export const routes = {
         count: defineRoute({ kind: 'sse', handler: async function* () { yield { n: 1 }; await sleep(60_000); } }),
         now: defineRoute({ handler: () => ({ now: 1 }) }),
         logo: defineRoute({ handler: () => new Response('x', { headers: { 'cache-control': 'public, max-age=60' } }) }),
       };`,
    ),
    config: `${BASE_CONFIG}routes: routes.ts${rooms}`,
  });
  for (const path of ['Log', 'Log/a', 'api/v1/realtime/subscribe', 'room', 'api/count']) {
    const headers = await openStream(server.url(path));
    expect([path, headers.get('cache-control')]).toEqual([path, 'no-cache, no-transform']);
  }
  expect((await server.ask('GET', 'api/now')).headers.get('cache-control')).toBe('no-cache');
  expect((await server.ask('GET', 'api/logo')).headers.get('cache-control')).toBe('public, max-age=60');
});

test('a record of which callers see different fields is never the one that was kept for another caller', async () => {
  await using server = await startServer({
    schema: `type Person @table @export(public: [read, create, update]) {
      id: ID! @primaryKey
      name: String
      salary: Int @access(read: "hr")
    }`,
    config: `${BASE_CONFIG}auth: {jwt: {secret: "${SECRET}"}}\n`,
  });
  const headers = { authorization: `Bearer ${tokenOf('ada', { roles: ['hr'] })}` };
  expect((await server.ask('PUT', 'Person/a', { json: { name: 'Bo', salary: 5 }, headers })).status).toBe(201);
  const seen = await server.ask('GET', 'Person/a', { headers });
  expect(seen.record).toEqual({ id: 'a', name: 'Bo', salary: 5 });
  const other = await server.ask('GET', 'Person/a', {
    headers: { 'if-none-match': seen.headers.get('etag') ?? '' },
  });
  expect([other.status, other.status === 200 && other.record]).toEqual([200, { id: 'a', name: 'Bo' }]);
});

test('a weak tag in If-Match never matches, and the answer says why', async () => {
  await using server = await startServer();
  const etag = (await server.put('Message/a', { title: 'one', content: 'x' })).headers.get('etag') ?? '';
  const weak = { 'if-match': `W/${etag}` };
  const json = { title: 'two', content: 'x' };
  for (const [method, body] of [
    ['PUT', { json }],
    ['PATCH', { json }],
    ['DELETE', {}],
    ['GET', {}],
  ] as const) {
    const answer = await server.ask(method, 'Message/a', { ...body, headers: weak });
    expect([method, answer.status, answer.record.code]).toEqual([method, 412, 'PRECONDITION_FAILED']);
    expect(answer.record.detail).toContain('A proxy that compresses');
  }
  const other = await server.ask('PATCH', 'Message/a', { json, headers: { 'if-match': '"1"' } });
  expect([other.status, String(other.record.detail).includes('proxy')]).toEqual([412, false]);
  const some = { 'if-match': `W/"1", ${etag}` };
  expect((await server.ask('PATCH', 'Message/a', { json, headers: some })).status).toBe(200);
  expect((await server.ask('GET', 'Message/a', { headers: { 'if-none-match': `W/${etag}` } })).status).toBe(200);
  const now = (await server.ask('GET', 'Message/a')).headers.get('etag') ?? '';
  expect((await server.ask('GET', 'Message/a', { headers: { 'if-none-match': `W/${now}` } })).status).toBe(304);
});
