import { expect, test } from 'vitest';
import { BASE_CONFIG, MESSAGE_SCHEMA, startServer } from '../support/app.ts';
import { accessToken, bearer, startAuthServer } from '../support/auth-app.ts';
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
  expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, PATCH, DELETE, OPTIONS']);
  const options = await server.ask('OPTIONS', 'Message/');
  expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, POST, PATCH, DELETE, OPTIONS']);
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
