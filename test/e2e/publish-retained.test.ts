import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import type { ChangeFrame, Json } from '../support/frames.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const record = (title: string) => ({ title, content: 'c' });
const PUBLISHABLE = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  content: String!
}`;

describe('publish', { timeout: 120_000 }, () => {
  test('what is published is delivered and not stored', async () => {
    await using server = await startServer({ schema: PUBLISHABLE });
    using client = await WsClient.subscribe(server.wsUrl('Message/room-42'));
    const answer = await server.ask('POST', 'Message/room-42?publish=true', { json: record('hi') });
    expect(answer.status).toBe(202);
    const frame = await client.next();
    expect(frame).toMatchObject({ message_type: 'Publish', op: 'publish', id: 'room-42', data: record('hi') });
    expect(frame.seq).toBe(answer.record.seq);
    expect((await server.ask('GET', 'Message/room-42')).status).toBe(404);
    expect((await server.ask('GET', 'Message')).records).toEqual([]);
  });

  test('publishing to a record reaches its channel and the table, on every transport', async () => {
    await using server = await startServer({ schema: PUBLISHABLE });
    using table = await WsClient.subscribe(server.wsUrl('Message'));
    using one = await WsClient.subscribe(server.wsUrl('Message/r'));
    using other = await WsClient.subscribe(server.wsUrl('Message/s'));
    using stream = await SseClient.subscribe(server.url('Message/r'));
    const answer = await server.ask('POST', 'Message/r?publish=true', { json: record('by rest') });
    expect(answer.record).toEqual({ seq: expect.any(Number), delivered: 3 });
    table.send({ message_type: 'Publish', id: 'r', data: record('by socket'), ref: 1 });
    await table.control('ack', 1);
    for (const client of [table, one]) {
      expect(await client.next()).toMatchObject({ message_type: 'Publish', id: 'r', data: record('by rest') });
      expect(await client.next()).toMatchObject({ message_type: 'Publish', id: 'r', data: record('by socket') });
    }
    expect((await stream.next('publish')).json).toMatchObject(record('by rest'));
    expect((await stream.next('publish')).json).toMatchObject(record('by socket'));
    await server.put('Message/s', record('fence'));
    await other.next((frame) => frame.data.title === 'fence');
    expect(other.changes.items).toHaveLength(1);
  });

  test('publishing without an id reaches the table channel alone', async () => {
    await using server = await startServer({ schema: PUBLISHABLE });
    using table = await WsClient.subscribe(server.wsUrl('Message'));
    using one = await WsClient.subscribe(server.wsUrl('Message/r'));
    const answer = await server.ask('POST', 'Message?publish=true', { json: record('to all') });
    expect(answer.status).toBe(202);
    expect(await table.next()).toMatchObject({ message_type: 'Publish', id: null, data: record('to all') });
    table.send({ message_type: 'Publish', data: record('by socket') });
    expect(await table.next()).toMatchObject({ message_type: 'Publish', id: null, data: record('by socket') });
    await server.put('Message/r', record('fence'));
    await one.next((frame) => frame.data.title === 'fence');
    expect(one.changes.items).toHaveLength(1);
  });

  test('an anonymous caller may not publish unless the schema says so', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    for (const path of ['Message/r?publish=true', 'Message?publish=true']) {
      const answer = await server.ask('POST', path, { json: record('no') });
      expect(answer.status).toBe(403);
      expect(answer.record.code).toBe('FORBIDDEN');
    }
    client.send({ message_type: 'Publish', id: 'r', data: record('no'), ref: 1 });
    expect(await client.control('error', 1)).toMatchObject({ code: 'FORBIDDEN' });
    await server.put('Message/fence', record('fence'));
    await client.next((frame) => frame.id === 'fence');
    expect(client.changes.items).toHaveLength(1);
  });
});

describe('retained', { timeout: 120_000 }, () => {
  test('a record channel begins with the stored record, once, then ready, then what is new', async () => {
    await using server = await startServer();
    const put = await server.put('Message/m', record('stored'));
    using client = await WsClient.subscribe(server.wsUrl('Message/m'));
    expect(client.changes.items).toHaveLength(1);
    const first = client.changes.items[0];
    expect(first).toMatchObject({
      message_type: 'Retained',
      op: 'retained',
      id: 'm',
      data: { id: 'm', ...record('stored') },
    });
    expect(`"${first?.seq}"`).toBe(put.headers.get('etag'));
    await server.put('Message/m', record('new'));
    await client.changes.atLeast(2);
    expect(client.texts.map((text) => (JSON.parse(text) as Json).message_type ?? 'ready')).toEqual([
      'Retained',
      'ready',
      'Update',
    ]);
  });

  test('a record channel has no Retained when there is no record, or when it is switched off', async () => {
    await using server = await startServer();
    await server.put('Message/there', record('stored'));
    using missing = await WsClient.subscribe(server.wsUrl('Message/missing'));
    using off = await WsClient.subscribe(server.wsUrl('Message/there?retained=false'));
    expect(missing.changes.items).toEqual([]);
    expect(off.changes.items).toEqual([]);
    await server.put('Message/there', record('fence'));
    expect((await off.next()).message_type).toBe('Update');
    expect(off.changes.items).toHaveLength(1);
  });

  test('a table channel sends its records only when asked, in key order, closed by ready', async () => {
    await using server = await startServer();
    for (const id of ['c', 'a', 'b']) await server.put(`Message/${id}`, record(id));
    using plain = await WsClient.subscribe(server.wsUrl('Message'));
    expect(plain.changes.items).toEqual([]);
    using all = await WsClient.subscribe(server.wsUrl('Message?retained=true'));
    expect(all.changes.items.map((frame) => [frame.message_type, frame.id])).toEqual([
      ['Retained', 'a'],
      ['Retained', 'b'],
      ['Retained', 'c'],
    ]);
    const newest = Math.max(...all.changes.items.map((frame) => frame.seq));
    expect(all.controls.items[0]?.seq).toBeGreaterThanOrEqual(newest);
    using some = await WsClient.subscribe(server.wsUrl('Message?retained=true&select=title'));
    expect(some.changes.items[0]?.data).toEqual({ id: 'a', title: 'a' });
    await server.put('Message/d', record('live'));
    expect((await some.next((frame) => frame.id === 'd')).data).toEqual({ id: 'd', title: 'live' });
    using stream = await SseClient.subscribe(server.url('Message?retained=true'));
    expect(stream.all('retained').map((found) => found.id)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('the snapshot keeps to the filter and the limit of the address', async () => {
    await using server = await startServer();
    for (const id of ['d', 'c', 'b', 'a']) await server.put(`Message/${id}`, record(id < 'c' ? 'low' : 'high'));
    using first = await WsClient.subscribe(server.wsUrl('Message?retained=true&limit=3'));
    expect(first.changes.items.map((frame) => frame.id)).toEqual(['a', 'b', 'c']);
    using high = await WsClient.subscribe(server.wsUrl('Message?retained=true&title=high'));
    expect(high.changes.items.map((frame) => frame.id)).toEqual(['c', 'd']);
    await server.put('Message/e', record('low'));
    await server.put('Message/a', record('high'));
    expect(await high.next((frame) => frame.message_type === 'Update')).toMatchObject({ id: 'a' });
    expect(high.changes.items).toHaveLength(3);
    using stream = await SseClient.subscribe(server.url('Message?retained=true&limit=1&title=low'));
    expect(stream.all('retained').map((found) => found.id)).toEqual(['b']);
  });

  test('a snapshot of more than one page is whole', async () => {
    await using server = await startServer();
    const ids = Array.from({ length: 1_200 }, (_, index) => `id-${String(index).padStart(5, '0')}`);
    for (let start = 0; start < ids.length; start += 400) {
      const rows = ids.slice(start, start + 400).map((id) => ({ id, ...record(id) }));
      expect((await server.ask('POST', 'Message', { json: rows })).status).toBe(201);
    }
    using client = await WsClient.subscribe(server.wsUrl('Message?retained=true'));
    expect(client.changes.items.map((frame) => frame.id)).toEqual(ids);
  });

  test('snapshot and live changes fit together without gap and without stale rows', async () => {
    await using server = await startServer();
    for (let index = 0; index < 40; index += 2) await server.put(`Message/r${index}`, record('before'));
    const writing = { on: true };
    const written = write(server, writing);
    const clients: WsClient[] = [];
    try {
      for (let index = 0; index < 100; index += 1) {
        clients.push(await WsClient.open(server.wsUrl('Message?retained=true')));
        await pause(15);
      }
      writing.on = false;
      expect(await written).toBeGreaterThan(500);
      await server.put('Message/fence', record('fence'));
      const stored = new Map((await server.ask('GET', 'Message?limit=1000')).records.map((row) => [row.id, row]));
      for (const client of clients) {
        await client.next((frame) => frame.id === 'fence');
        expect(replay(client.changes.items)).toEqual(stored);
        const live = client.changes.items
          .filter((frame) => frame.message_type !== 'Retained')
          .map((frame) => frame.seq);
        expect(live).toEqual([...new Set(live)].sort((a, b) => a - b));
      }
    } finally {
      writing.on = false;
      for (const client of clients) client.terminate();
    }
  });
});

/** The table as a client knows it that believed the last word about each row. */
function replay(frames: readonly ChangeFrame[]): Map<unknown, Json> {
  const rows = new Map<unknown, Json>();
  for (const frame of frames) {
    if (frame.message_type === 'Delete') rows.delete(frame.id);
    else rows.set(frame.id, frame.data);
  }
  return rows;
}

/** About 500 writes a second, creating, changing and deleting 40 rows, until told to stop; gives their number. */
async function write(server: TestServer, writing: { on: boolean }): Promise<number> {
  let count = 0;
  while (writing.on && count < 20_000) {
    const batch = Array.from({ length: 5 }, () => {
      count += 1;
      const path = `Message/r${(count * 7) % 40}`;
      if (count % 4 === 0) return server.ask('DELETE', path);
      return server.ask('PUT', path, { json: record(`write ${count}`) });
    });
    await Promise.all([...batch, pause(10)]);
  }
  return count;
}
