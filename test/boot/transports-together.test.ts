import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../../src/index.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
}`;

const dir = mkdtempSync(join(tmpdir(), 'tablecast-doors-'));
let server: RunningServer;
let url = '';

beforeAll(async () => {
  writeFileSync(join(dir, 'schema.graphql'), SCHEMA);
  writeFileSync(
    join(dir, 'config.yaml'),
    'app_id: my-app\nport: 0\nlogging: {level: silent}\nschemas: [schema.graphql]\n',
  );
  server = await startServer({ dir, env: {}, allowDestructive: false });
  url = `${server.url}/my-app/Message`;
});

afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

test('a record can be used with every REST method', async () => {
  const created = await ask('POST', url, { json: { id: 'a', title: 'one' } });
  expect([created.status, created.headers.get('location')]).toEqual([201, 'Message/a']);
  expect((await ask('POST', url, { json: [{ id: 'b', title: 'two' }] })).records).toEqual([{ id: 'b', title: 'two' }]);
  const headers = { prefer: 'return=minimal' };
  expect((await ask('PUT', `${url}/a`, { json: { title: 'three' }, headers })).status).toBe(204);
  expect((await ask('PATCH', `${url}/a`, { json: { title: 'four' } })).record).toEqual({ id: 'a', title: 'four' });
  const found = await ask('GET', `${url}/a`);
  const etag = found.headers.get('etag') ?? '';
  expect((await ask('GET', `${url}/a`, { headers: { 'if-none-match': etag } })).status).toBe(304);
  const list = await ask('GET', url);
  expect(list.records).toHaveLength(2);
  const same = { 'if-none-match': list.headers.get('etag') ?? '' };
  expect((await ask('GET', url, { headers: same })).status).toBe(304);
  expect((await ask('DELETE', `${url}/a`, { headers: { 'if-match': '"1"' } })).status).toBe(412);
  expect((await ask('DELETE', `${url}/a`, { headers: { 'if-match': etag } })).status).toBe(204);
  expect((await ask('GET', `${url}/a`)).status).toBe(404);
  expect((await ask('POST', `${url}/a`, { json: {} })).status).toBe(405);
  expect((await ask('PUT', `${url}/a?x=1`, { json: {} })).status).toBe(400);
});

test('a write on one transport is delivered on the others and counted in /metrics', async () => {
  using socket = await WsClient.subscribe(url.replace('http', 'ws'));
  using stream = await SseClient.subscribe(url);
  socket.send({ id: 'w', title: 'by socket' });
  socket.send({ message_type: 'Update', id: 'w', data: { title: 'again' }, ref: 1 });
  socket.send({ message_type: 'Publish', id: 'w', data: { typing: true }, ref: 2 });
  socket.send({ message_type: 'Delete', id: 'w', ref: 3 });
  socket.send({ message_type: 'Delete', id: 'w', ref: 4 });
  socket.send({ message_type: 'Upsert', ref: 5 });
  expect(await socket.control('error', 4)).toMatchObject({ code: 'NOT_FOUND' });
  expect((await ask('POST', `${url}/w?publish=true`, { json: { by: 'REST' } })).record).toMatchObject({ delivered: 2 });
  expect((await ask('POST', `${url}?publish=true`, { json: 'to all' })).record).toMatchObject({ delivered: 2 });
  await socket.changes.atLeast(6);
  const types = socket.changes.items.map(({ message_type }) => message_type);
  expect(types).toEqual(['Update', 'Update', 'Publish', 'Delete', 'Publish', 'Publish']);
  for (const type of types) await stream.next(type.toLowerCase());
  const metrics = (await ask('GET', `${server.url}/metrics`)).text;
  for (const transport of ['ws', 'sse']) expect(metrics).toContain(`tablecast_connections{transport="${transport}"} 1`);
  expect(metrics).toMatch(/tablecast_messages_total\{app="my-app",table="Message"\} 4/);
});

test('the multiplexed protocol is served as a socket and as a stream', async () => {
  using client = await GatewayClient.open(`${server.url.replace('http', 'ws')}${REALTIME}/ws`);
  using stream = await SseClient.open(`${server.url}/my-app${REALTIME}/subscribe?operations=create&since=0`);
  expect(await client.subscribe('Message', { id: 1, filter: 'title==g*', retained: true })).toHaveProperty('status');
  expect(await client.answer()).toMatchObject({ type: 'ready', collection: 'Message', id: 1 });
  expect(await client.ask('{')).toEqual({ type: 'error', error: 'Invalid JSON' });
  expect(await client.subscribe('Message', { filter: 'nope==1' })).toMatchObject({ code: 'INVALID_QUERY' });
  expect((await stream.next('message')).json).toMatchObject({ type: 'reset', reason: 'position_trimmed' });
  await ask('POST', url, { json: { id: 'g', title: 'gateway' } });
  expect(await client.event('Message.create')).toMatchObject({ id: 1, data: { id: 'g', title: 'gateway' } });
  while ((await stream.next('message')).json.type !== 'Message.create');
  const metrics = (await ask('GET', `${server.url}/metrics`)).text;
  expect(metrics).toContain('tablecast_connections{transport="gateway"} 2');
  expect(await client.ask({ action: 'unsubscribe', collection: 'Message', id: 1 })).toHaveProperty('status');
  for (const query of ['collection=Nope', 'collection=Message&filter=nope', 'colection=Message']) {
    expect((await ask('GET', `${server.url}${REALTIME}/subscribe?${query}`)).status).toBeGreaterThanOrEqual(400);
  }
});
