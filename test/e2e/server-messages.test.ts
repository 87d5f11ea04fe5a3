import { describe, expect, test } from 'vitest';
import { startServer } from '../support/app.ts';
import type { ChangeFrame } from '../support/frames.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const record = (title: string) => ({ title, content: 'c' });
const titles = (frames: readonly ChangeFrame[]) => frames.map((frame) => frame.data.title);
const PUBLISHABLE = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  content: String!
}`;

describe('messages from the server', { timeout: 120_000 }, () => {
  test('every frame of a full run is one JSON object of the documented form', async () => {
    await using server = await startServer({ schema: PUBLISHABLE });
    await server.put('Message/old', record('stored before'));
    using client = await WsClient.subscribe(server.wsUrl('Message?retained=true'));
    await server.ask('POST', 'Message', { json: { id: 'm1', ...record('posted') } });
    await server.put('Message/m1', record('put'));
    await server.ask('PATCH', 'Message/m1', { json: { title: 'patched' } });
    client.send({ message_type: 'Publish', id: 'm1', data: record('published') });
    await client.next((frame) => frame.message_type === 'Publish');
    await server.ask('DELETE', 'Message/m1');
    await client.next((frame) => frame.message_type === 'Delete');
    expect(client.changes.items.map((frame) => [frame.message_type, frame.op])).toEqual([
      ['Retained', 'retained'],
      ['Update', 'create'],
      ['Update', 'update'],
      ['Update', 'update'],
      ['Publish', 'publish'],
      ['Delete', 'delete'],
    ]);
    for (const frame of client.changes.items) {
      expect(Object.keys(frame).sort()).toEqual(['data', 'id', 'message_type', 'op', 'seq', 'timestamp']);
      expect(frame.data).toBeTypeOf('object');
      expect(frame.id).toBeTypeOf('string');
      expect(frame.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
      expect(Math.abs(Date.parse(frame.timestamp) - Date.now())).toBeLessThan(5_000);
      expect(Number.isSafeInteger(frame.seq)).toBe(true);
      expect(new Date(Math.floor(frame.seq / 1000)).toISOString()).toBe(frame.timestamp);
    }
    // Control frames never look like change frames.
    for (const frame of client.controls.items) expect(frame).not.toHaveProperty('message_type');
  });

  test('an Update carries the full record as GET gives it', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    await server.put('Message/msg-1', { title: 'Hello', content: 'World' });
    const frame = await client.next();
    expect(frame.id).toBe('msg-1');
    expect(frame.data).toEqual({ id: 'msg-1', title: 'Hello', content: 'World' });
    expect(frame.data).toEqual((await server.ask('GET', 'Message/msg-1')).record);
  });

  test('a Delete carries the key, at the top and as its data', async () => {
    await using server = await startServer();
    await server.put('Message/msg-1', record('short life'));
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    expect((await server.ask('DELETE', 'Message/msg-1')).status).toBe(204);
    const frame = await client.next();
    expect(frame).toMatchObject({ message_type: 'Delete', op: 'delete', id: 'msg-1' });
    expect(frame.data).toEqual({ id: 'msg-1' });
  });

  test('POST, PUT and PATCH emit one Update each with the full record, DELETE one Delete', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    await server.ask('POST', 'Message', { json: { id: 'm', title: 'a', content: 'b' } });
    await server.put('Message/m', { title: 'c', content: 'd' });
    await server.ask('PATCH', 'Message/m', { json: { title: 'e' } });
    await server.ask('DELETE', 'Message/m');
    await server.put('Message/fence', record('fence'));
    await client.next((frame) => frame.id === 'fence');
    const seen = client.changes.items.slice(0, -1);
    expect(seen.map((frame) => [frame.message_type, frame.data])).toEqual([
      ['Update', { id: 'm', title: 'a', content: 'b' }],
      ['Update', { id: 'm', title: 'c', content: 'd' }],
      ['Update', { id: 'm', title: 'e', content: 'd' }],
      ['Delete', { id: 'm' }],
    ]);
  });

  test('a change goes once to the table channel and once to the record channel', async () => {
    await using server = await startServer();
    using table = await WsClient.subscribe(server.wsUrl('Message'));
    using one = await WsClient.subscribe(server.wsUrl('Message/m'));
    await server.put('Message/m', record('change'));
    await server.put('Message/m', record('fence'));
    for (const client of [table, one]) {
      await client.next((frame) => frame.data.title === 'fence');
      expect(titles(client.changes.items)).toEqual(['change', 'fence']);
    }
    expect(one.texts.filter((text) => text.includes('message_type'))).toEqual(
      table.texts.filter((text) => text.includes('message_type')),
    );
  });

  test('an array emits one Update per record, in the order of the array and next to each other', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    const rows = Array.from({ length: 50 }, (_, index) => ({ id: `row-${49 - index}`, ...record(`t${index}`) }));
    const answer = await server.ask('POST', 'Message', { json: rows });
    expect(answer.status).toBe(201);
    expect(answer.records).toEqual(rows);
    const frames = await client.changes.atLeast(50);
    expect(frames.map((frame) => frame.data)).toEqual(rows);
    const first = frames[0]?.seq ?? 0;
    expect(frames.map((frame) => frame.seq - first)).toEqual(rows.map((_, index) => index));
  });

  test('WebSocket, SSE and REST see the same, by whichever transport it was written', async () => {
    await using server = await startServer();
    using a = await WsClient.subscribe(server.wsUrl('Message'));
    using b = await WsClient.subscribe(server.wsUrl('Message'));
    using stream = await SseClient.subscribe(server.url('Message'));
    await server.put('Message/by-rest', record('rest'));
    a.send({ id: 'by-a', ...record('a') });
    b.send({ id: 'by-b', ...record('b') });
    const expected = ['by-a', 'by-b', 'by-rest'];
    for (const client of [a, b]) {
      const frames = await client.changes.atLeast(3);
      expect(frames.map((frame) => frame.id).sort()).toEqual(expected);
    }
    for (let count = 0; count < 3; count += 1) await stream.next('update');
    expect(stream.all('update').map((found) => found.id)).toEqual(a.changes.items.map((frame) => frame.id));
    expect((await server.ask('GET', 'Message')).records.map((found) => found.id)).toEqual(expected);
  });

  test('a socket gets its own changes, unless it asked for echo=false', async () => {
    await using server = await startServer();
    using echo = await WsClient.subscribe(server.wsUrl('Message'));
    using quiet = await WsClient.subscribe(server.wsUrl('Message?echo=false'));
    echo.send({ id: 'mine', ...record('echo') });
    expect((await echo.next()).id).toBe('mine');
    expect((await quiet.next()).id).toBe('mine');
    quiet.send({ message_type: 'Update', id: 'own', data: record('quiet'), ref: 1 });
    await quiet.control('ack', 1);
    await server.put('Message/fence', record('fence'));
    await quiet.next((frame) => frame.id === 'fence');
    expect(quiet.changes.items.map((frame) => frame.id)).toEqual(['mine', 'fence']);
    await echo.next((frame) => frame.id === 'fence');
    expect(echo.changes.items.map((frame) => frame.id)).toEqual(['mine', 'own', 'fence']);
  });

  test('what fails or changes nothing emits nothing', async () => {
    await using server = await startServer();
    await server.put('Message/there', record('there'));
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    const statuses = [
      await server.ask('POST', 'Message', { json: { id: 'x', title: 'no content' } }),
      await server.ask('POST', 'Message', { json: { id: 'there', ...record('twice') } }),
      await server.ask('POST', 'Message', {
        json: [
          { id: 'y', ...record('good') },
          { id: 'z', title: 'bad' },
        ],
      }),
      await server.ask('POST', 'Message', {
        json: [
          { id: 'y', ...record('good') },
          { id: 'there', ...record('taken') },
        ],
      }),
      await server.ask('DELETE', 'Message/missing'),
      await server.ask('PATCH', 'Message/missing', { json: { title: 'x' } }),
      await server.ask('PUT', 'Message/there', { json: record('there') }),
    ].map((answer) => answer.status);
    expect(statuses).toEqual([400, 409, 400, 409, 404, 404, 200]);
    await server.put('Message/fence', record('fence'));
    await client.next((frame) => frame.id === 'fence');
    expect(client.changes.items.map((frame) => frame.id)).toEqual(['fence']);
    expect((await server.ask('GET', 'Message')).records.map((found) => found.id)).toEqual(['fence', 'there']);
  });

  test('frames follow commit order, and none comes before its commit', async () => {
    const schema = `type Counter @table @export { id: ID! @primaryKey value: Int! }`;
    await using server = await startServer({ schema });
    await server.put('Counter/c', { value: -1 });
    using client = await WsClient.subscribe(server.wsUrl('Counter'));
    using one = await WsClient.subscribe(server.wsUrl('Counter/c?retained=false'));
    const early: string[] = [];
    const checks: Promise<void>[] = [];
    client.socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as ChangeFrame;
      if (frame.message_type !== 'Update' || Number(frame.data.value) % 20 !== 0) return;
      checks.push(
        server.ask('GET', 'Counter/c').then((answer) => {
          const seq = Number(JSON.parse(answer.headers.get('etag') ?? '0'));
          if (seq < frame.seq) early.push(`GET gave ${seq} after the frame ${frame.seq}`);
        }),
      );
    });
    const write = async (writer: number): Promise<void> => {
      for (let step = 0; step < 100; step += 1) {
        const answer = await server.ask('PATCH', 'Counter/c', { json: { value: writer * 100 + step } });
        expect(answer.status).toBe(200);
      }
    };
    await Promise.all(Array.from({ length: 10 }, (_, writer) => write(writer)));
    const frames = await client.changes.atLeast(1_000, 20_000);
    await Promise.all(checks);
    expect(early).toEqual([]);
    const seqs = frames.map((frame) => frame.seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    const values = frames.map((frame) => Number(frame.data.value));
    expect([...values].sort((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, value) => value));
    // Each writer waited for its answers, so its own values come in its own order.
    for (let writer = 0; writer < 10; writer += 1) {
      const own = values.filter((value) => Math.floor(value / 100) === writer);
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
    expect((await server.ask('GET', 'Counter/c')).record.value).toBe(values.at(-1));
    expect((await one.changes.atLeast(1_000, 20_000)).map((frame) => frame.seq)).toEqual(seqs);
  });
});
