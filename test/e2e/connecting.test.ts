import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { RawWs } from '../support/raw-ws.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const record = (title: string) => ({ title, content: 'c' });

describe('connecting', { timeout: 120_000 }, () => {
  test('wss:// opens on the table with a certificate made by the server', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}tls: auto\n` });
    expect(server.origin).toMatch(/^https:/);
    const url = `wss://localhost:${server.port}/my-app/Message`;
    using client = await WsClient.subscribe(url, { rejectUnauthorized: false });
    client.send({ id: 'msg-1', ...record('over TLS') });
    expect(await client.next()).toMatchObject({ message_type: 'Update', id: 'msg-1' });
  });

  test('ws:// opens on the table without TLS', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(`ws://localhost:${server.port}/my-app/Message`);
    await server.put('Message/msg-1', record('plain'));
    expect(await client.next()).toMatchObject({ message_type: 'Update', id: 'msg-1' });
  });

  test('a record channel gets the changes of that record alone', async () => {
    await using server = await startServer();
    using table = await WsClient.subscribe(server.wsUrl('Message'));
    using one = await WsClient.subscribe(server.wsUrl('Message/msg-1'));
    await server.put('Message/msg-1', record('first'));
    await server.put('Message/msg-2', record('other'));
    await server.put('Message/msg-11', record('longer id'));
    await server.put('Message/msg-1', record('fence'));
    await one.next((frame) => frame.data.title === 'fence');
    expect(one.changes.items.map((frame) => frame.data.title)).toEqual(['first', 'fence']);
    await table.next((frame) => frame.data.title === 'fence');
    expect(table.changes.items.map((frame) => frame.id)).toEqual(['msg-1', 'msg-2', 'msg-11', 'msg-1']);
  });

  test('a channel of a record that does not exist yet opens and delivers its creation', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message/new-1'));
    expect(client.changes.items).toEqual([]);
    await server.put('Message/new-1', record('born'));
    expect(await client.next()).toMatchObject({ message_type: 'Update', op: 'create', id: 'new-1' });
    expect(client.changes.items).toHaveLength(1);
  });

  test.each([
    ['an unknown application', '/other-app/Message'],
    ['an unknown table', '/my-app/Massage'],
    ['a table without WebSocket', '/my-app/Quiet'],
    ['the root', '/'],
    ['a path below a record', '/my-app/Message/a/b'],
  ])('an upgrade to %s is a 404 with a problem, and the connection ends', async (_name, path) => {
    const schema = `
type Message @table @export { id: ID! @primaryKey }
type Quiet @table @export(ws: false) { id: ID! @primaryKey }`;
    await using server = await startServer({ schema });
    using raw = await RawWs.open(server.port, path);
    expect(raw.answer.status).toBe(404);
    expect(raw.answer.headers.get('content-type')).toContain('application/problem+json');
    expect(JSON.parse(raw.answer.body)).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    await raw.closed;
  });

  test.each([
    ['a/b é', 'a%2Fb%20%C3%A9'],
    ['100%', '100%25'],
    ['a?b#c&d=e', 'a%3Fb%23c%26d%3De'],
    ['日本', '%E6%97%A5%E6%9C%AC'],
  ])('the id %s is the same in REST, WebSocket and SSE', async (id, encoded) => {
    await using server = await startServer();
    const url = `${server.origin}/my-app/Message/${encoded}`;
    using socket = await RawWs.open(server.port, `/my-app/Message/${encoded}`);
    expect(socket.answer.status).toBe(101);
    expect(await socket.json()).toMatchObject({ type: 'ready' });
    using stream = await SseClient.subscribe(url);
    const put = await ask('PUT', url, { json: record('odd id') });
    expect(put.status).toBe(201);
    expect(put.record.id).toBe(id);
    expect((await ask('GET', url)).record).toEqual({ id, ...record('odd id') });
    expect(await socket.json()).toMatchObject({ message_type: 'Update', id, data: { id } });
    expect((await stream.next('update')).json).toMatchObject({ id });
    expect((await server.ask('GET', 'Message')).records.map((found) => found.id)).toEqual([id]);
  });

  test.each([
    ['a broken escape', '%zz'],
    ['a NUL', 'a%00b'],
    ['bytes that are not UTF-8', '%FF'],
    ['more than 256 characters', 'x'.repeat(257)],
  ])('an id with %s is a 400 everywhere', async (_name, encoded) => {
    await using server = await startServer();
    const path = `/my-app/Message/${encoded}`;
    using raw = await RawWs.open(server.port, path);
    expect(raw.answer.status).toBe(400);
    for (const headers of [{ accept: 'application/json' }, { accept: 'text/event-stream' }]) {
      expect((await ask('GET', server.origin + path, { headers })).status).toBe(400);
    }
  });
});
