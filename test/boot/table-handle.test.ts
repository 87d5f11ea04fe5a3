import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { AppError, type RunningServer, startServer, type TableHandle } from '../../src/index.ts';
import { meanwhile } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Message @table @export(public: [subscribe]) {
  id: ID! @primaryKey
  title: String!
}`;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Starts a server in this process whose table only lets anonymous callers subscribe. */
async function start(): Promise<{ server: RunningServer; table: TableHandle }> {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-handle-'));
  cleanUps.push(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'schema.graphql'), SCHEMA);
  writeFileSync(
    join(dir, 'config.yaml'),
    'app_id: my-app\nport: 0\nlogging:\n  level: silent\nschemas: [schema.graphql]\n',
  );
  const server = await startServer({ dir, env: {}, allowDestructive: false });
  cleanUps.push(() => server.close());
  return { server, table: server.tables.get('my-app')?.get('Message') as TableHandle };
}

describe('tables for code in the server', () => {
  test('code has all rights and passes the same validation', async () => {
    const { server, table } = await start();
    const refused = await fetch(`${server.url}/my-app/Message/a`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"title":"from outside"}',
    });
    expect(refused.status).toBe(403);
    expect(await table.create({ id: 'a', title: 'first' })).toEqual({ id: 'a', title: 'first' });
    await expect(table.create({ id: 'a', title: 'again' })).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(table.put('b', { titel: 'typo' })).rejects.toBeInstanceOf(AppError);
    expect(await table.patch('a', { title: 'second' })).toEqual({ id: 'a', title: 'second' });
    expect(await table.put('b', { title: 'third' })).toEqual({ id: 'b', title: 'third' });
    expect(await table.find('title==s*')).toEqual([{ id: 'a', title: 'second' }]);
    await table.delete('a');
    expect(await table.get('a')).toBeUndefined();
    expect(await table.find()).toEqual([{ id: 'b', title: 'third' }]);
  });

  test('code writes to all records that a filter matches, all or none, one event each', async () => {
    const { server, table } = await start();
    using all = await WsClient.subscribe(`${server.url.replace('http', 'ws')}/my-app/Message`);
    for (const id of ['a', 'b', 'c']) await table.create({ id, title: id === 'c' ? 'kept' : 'old' });
    expect(await table.updateMany('title==old', { title: 'new' })).toEqual({ matched: 2, changed: 2 });
    expect(await table.updateMany('title==new', { title: 'new' })).toEqual({ matched: 2, changed: 0 });
    for (const refused of [
      () => table.updateMany('', { title: 'x' }),
      () => table.deleteMany(''),
      () => table.deleteMany('all=false'),
      () => table.deleteMany('titel==new'),
      () => table.deleteMany('title==new&limit=1'),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: 'INVALID_QUERY' });
    }
    await expect(table.updateMany('title==new', { id: 'x' })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    await expect(table.updateMany('title==new', { titel: 'x' })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    expect(await table.find('select=title&sort=id')).toMatchObject([
      { title: 'new' },
      { title: 'new' },
      { title: 'kept' },
    ]);
    expect(await table.deleteMany('title==new')).toEqual({ matched: 2, changed: 2 });
    expect(await table.deleteMany('all=true')).toEqual({ matched: 1, changed: 1 });
    const frames = await all.changes.atLeast(8);
    expect(frames.map(({ op, id }) => `${op} ${id}`)).toEqual([
      'create a',
      'create b',
      'create c',
      'update a',
      'update b',
      'delete a',
      'delete b',
      'delete c',
    ]);
  });

  test('code publishes to a record and to the table, and nothing is stored', async () => {
    const { server, table } = await start();
    const url = server.url.replace('http', 'ws');
    using all = await WsClient.subscribe(`${url}/my-app/Message`);
    using one = await WsClient.subscribe(`${url}/my-app/Message/room-1`);
    expect(await table.publish('room-1', { text: 'hello' })).toEqual({ seq: expect.any(Number), delivered: 2 });
    expect(await table.publish(null, 'to all')).toEqual({ seq: expect.any(Number), delivered: 1 });
    await all.changes.atLeast(2);
    await one.changes.atLeast(1);
    expect(all.changes.items.map(({ message_type, id, data }) => [message_type, id, data])).toEqual([
      ['Publish', 'room-1', { text: 'hello' }],
      ['Publish', null, 'to all'],
    ]);
    await one.changes.atLeast(1);
    expect(one.changes.items.map(({ data }) => data)).toEqual([{ text: 'hello' }]);
    expect(await table.get('room-1')).toBeUndefined();
  });

  test('code receives changes until it unsubscribes or the server stops', async () => {
    const { server, table } = await start();
    const heard: unknown[] = [];
    const changes = table.subscribe('title==a*');
    const listening = meanwhile(async () => {
      for await (const { message_type: type, ...frame } of changes) heard.push(type ?? frame.type);
    });
    for (const title of ['ab', 'b', 'ac']) await table.create({ title });
    await expect.poll(() => heard).toEqual(['ready', 'Update', 'Update']);
    await server.close();
    await listening;
    expect(() => table.subscribe()).toThrow(expect.objectContaining({ code: 'STOPPING' }));
  });
});
