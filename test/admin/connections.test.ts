import { expect, test } from 'vitest';
import type { Json } from '../support/frames.ts';
import { GatewayClient } from '../support/gateway-client.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';
import { ADMIN, AUTH, type Running, start, USER } from './running.ts';

const SCHEMA = 'type Note @table @export(public: [read, subscribe]) { id: ID! @primaryKey, text: String }';
const CONNECTORS = `connectors:
  chat: {type: websocket, path: /chat}
  news: {type: sse, path: /news}
`;
const ROUTES = `export const routes = { clock: { kind: 'sse', async *handler({ signal }) {
  yield 1;
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
} } };
`;

async function rowsOf(app: Running, count: number, token?: string): Promise<readonly Json[]> {
  const { body } = await until(
    () => app.admin('connections', token),
    (answer) => (answer.body.connections as Json[]).length === count,
    { what: `${count} connections` },
  );
  return body.connections as Json[];
}

test('connections of every transport say what they are for', async () => {
  const app = await start(SCHEMA, `${CONNECTORS}routes: routes.ts\n`, { 'routes.ts': ROUTES });
  const ws = app.url.replace('http', 'ws');
  using gateway = await GatewayClient.open(`${ws}/_/realtime/ws`);
  gateway.send({ action: 'subscribe', collection: 'Note' });
  using room = await WsClient.open(`${ws}/chat`);
  room.send({ type: 'join_room', room: 'red' });
  using news = await SseClient.open(`${app.url}/news?room=blue`);
  using clock = await SseClient.open(`${app.url}/api/clock`);
  const rows = await until(
    () => rowsOf(app, 4),
    (found) => found[0]?.subscriptions === 1 && found[1]?.rooms === 1,
  );
  expect(rows.map(({ transport, carrier, caller }) => [transport, carrier, caller])).toEqual([
    ['multiplex', 'websocket', null],
    ['room', 'websocket', null],
    ['room', 'sse', null],
    ['route', 'sse', null],
  ]);
  expect(rows.map(({ channels }) => channels)).toEqual([
    [expect.objectContaining({ table: 'Note', state: 'live' })],
    [{ room: 'red' }],
    [{ room: 'blue' }],
    undefined,
  ]);
  expect(rows[3]?.path).toBe('/my-app/api/clock');
  expect(rows[1]).not.toHaveProperty('lag');
  const ends = await Promise.all(
    rows.map(async ({ id }) => (await app.send('DELETE', `_/admin/connections/${id}`)).status),
  );
  expect(ends).toEqual([204, 204, 204, 204]);
  expect((await gateway.closed).code).toBe(1008);
  expect((await room.closed).code).toBe(4403);
  await Promise.all([news.ended, clock.ended]);
  expect(await rowsOf(app, 0)).toEqual([]);
});

test('the list has neither tokens nor unknown parameters, and other ids end nothing', async () => {
  const app = await start(SCHEMA, AUTH.replace('}}', '}, query_token: true}'));
  using socket = await WsClient.subscribe(`${app.url.replace('http', 'ws')}/Note?text==a&token=${ADMIN}`);
  const { body } = await app.admin('connections', ADMIN);
  expect(JSON.stringify(body)).not.toContain(ADMIN);
  expect((body.connections as Json[])[0]?.channels).toEqual([expect.objectContaining({ query: 'text==a' })]);
  expect([body.open, typeof body.head]).toEqual([1, 'number']);
  expect((await app.admin('connections?limit=1', ADMIN)).status).toBe(400);
  const { status, body: problem } = await app.send('DELETE', '_/admin/connections/x', undefined, ADMIN);
  expect([status, problem.detail]).toEqual([404, 'There is no such connection; it may have closed.']);
  expect((await app.send('DELETE', '_/admin/connections/x')).status).toBe(401);
  expect(socket.isOpen).toBe(true);
});

test('a stream tells the connections when it opens and after every change, without itself', async () => {
  const app = await start(SCHEMA, AUTH);
  const path = '_/admin/connections';
  const headers = { authorization: `Bearer ${ADMIN}` };
  using stream = await SseClient.open(`${app.url}/${path}`, { headers });
  /** Resolves with the rows of the next event that has this many. */
  const next = async (count: number): Promise<readonly Json[]> => {
    const { json } = await stream.next('connections');
    const { connections } = json as { connections: Json[] };
    return connections.length === count ? connections : next(count);
  };
  expect((await stream.next()).json).toMatchObject({ connections: [], open: 0 });
  using socket = await WsClient.subscribe(`${app.url.replace('http', 'ws')}/Note`, { headers });
  const [row] = await next(1);
  expect(row).toMatchObject({ transport: 'websocket', channels: [{ table: 'Note' }] });
  // Another reader sees the stream itself, too.
  const rows = await rowsOf(app, 2, ADMIN);
  expect(rows.map(({ transport, path: at }) => [transport, at])).toEqual([
    ['admin', `/my-app/${path}`],
    ['websocket', undefined],
  ]);
  await app.send('DELETE', `${path}/${row?.id}`, undefined, ADMIN);
  await socket.closed;
  expect(await next(0)).toEqual([]);
  await app.send('DELETE', `${path}/${rows[0]?.id}`, undefined, ADMIN);
  expect(await stream.next('error')).toMatchObject({ event: 'error', data: expect.stringContaining('FORBIDDEN') });
  await stream.ended;
});

test('a stream is for administrators, has no parameters, and ends with the server', async () => {
  const app = await start(SCHEMA, AUTH);
  const open = (query: string, token: string) =>
    SseClient.open(`${app.url}/_/admin/connections${query}`, { headers: { authorization: `Bearer ${token}` } });
  expect((await open('', USER)).status).toBe(403);
  expect((await open('?limit=1', ADMIN)).status).toBe(400);
  expect((await open('', 'x')).status).toBe(401);
  using stream = await open('', ADMIN);
  await stream.next();
  await app.stop();
  await stream.ended;
});
