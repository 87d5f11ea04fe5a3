import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Client, connect, type LiveSnapshot } from '../../src/client/index.ts';
import { startServer, type TestServer } from '../support/app.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  n: Int
  author: String
  by: Author @relationship(from: author)
}
type Author @table @export(public: [read, create, update, delete, subscribe]) { id: ID! @primaryKey name: String }`;

interface Message {
  readonly id: string;
  readonly title: string;
  readonly n: number | null;
}
type Tables = { Message: Message; Author: { id: string; name: string | null } };

const clients: Client<Tables>[] = [];
/** Addresses of the WebSockets that were opened, by all clients of a test. */
const opened: string[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  opened.length = 0;
});

class CountedSocket extends WebSocket {
  constructor(url: string, protocols?: string[]) {
    super(url, protocols);
    opened.push(url);
  }
}

function open(server: TestServer, options: Parameters<typeof connect>[1] = {}): Client<Tables> {
  const client = connect<Tables>(server.url(''), { WebSocket: CountedSocket, ...options });
  clients.push(client);
  return client;
}

const liveConnections = (server: TestServer) => server.metric(/^tablecast_\w*connections\w*\{[^}]*"live"/);
const names = (list: { readonly records: readonly Message[] }) => list.records.map(({ id }) => id);

describe('one connection of a client', { timeout: 120_000 }, () => {
  test('has all of its lists and subscriptions, and closes after the last of them', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const client = open(server, { linger: 50 });
    await client.tables.Message.create([0, 1, 2].map((n) => ({ id: `m${n}`, title: 't', n })));
    const lists = Array.from({ length: 50 }, (_, n) => client.tables.Message.live(`n=ge=${n}`));
    const told: unknown[] = [];
    const subscription = client.tables.Message.subscribe('', { onChange: ({ id }) => void told.push(id) });
    await Promise.all(lists.map(({ ready }) => ready));
    await client.tables.Message.create({ id: 'new', title: 't', n: 100 });
    await expect.poll(() => lists.every((list) => names(list).includes('new'))).toBe(true);
    await expect.poll(() => told).toEqual(['new']);
    expect(opened).toHaveLength(1);
    expect(await liveConnections(server)).toBe(1);
    for (const list of lists) list.close();
    subscription.close();
    await until(
      () => liveConnections(server),
      (count) => count === 0,
    );
  });

  test('more than it may have are on another one', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    const lists = Array.from({ length: 120 }, (_, n) => Message.live(`n=ge=${n}`));
    await Promise.all(lists.map(({ ready }) => ready));
    expect(opened).toHaveLength(2);
  });

  test('equal queries are one subscription, which outlives 100 mounts and unmounts', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const client = open(server, { linger: 100 });
    const sent: string[] = [];
    class Spied extends CountedSocket {
      override send(data: string) {
        sent.push(data);
        super.send(data);
      }
    }
    const page = open(server, { WebSocket: Spied, linger: 100 });
    const subscribes = () => sent.filter((text) => text.includes('"type":"subscribe"')).length;
    const first = page.tables.Message.live({ sort: 'n' });
    await first.ready;
    const again = page.tables.Message.live('sort=n');
    await again.ready;
    expect([subscribes(), again.getSnapshot()]).toEqual([1, first.getSnapshot()]);
    expect(again.getSnapshot()).toBe(first.getSnapshot());
    first.close();
    again.close();
    for (let turn = 0; turn < 100; turn++) {
      const list = page.tables.Message.live('sort=n', { lazy: true });
      const stop = list.subscribe(() => {});
      if (turn % 10 === 0) await pause(1);
      stop();
    }
    expect(subscribes()).toBe(1);
    await until(
      () => liveConnections(server),
      (count) => count === 0,
    );
    expect(sent.filter((text) => text.includes('"unsubscribe"'))).toHaveLength(1);
    client.close();
  });

  test('comes back after kill -9: every list resumes by its own position', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    await Message.create([0, 1, 2, 3].map((n) => ({ id: `m${n}`, title: 't', n })));
    const all = Message.live('sort=n');
    const some = Message.live('n=ge=2&sort=-n&limit=1');
    await Promise.all([all.ready, some.ready]);
    const states: string[] = [];
    const stop = all.subscribe(({ status }) => void (states.at(-1) !== status && states.push(status)));
    await server.kill();
    await expect.poll(() => all.getSnapshot().status).toBe('stale');
    expect(names(all)).toEqual(['m0', 'm1', 'm2', 'm3']);
    await server.restart();
    await server.ask('DELETE', 'Message/m3');
    await expect
      .poll(() => [names(all), names(some), all.getSnapshot().status])
      .toEqual([['m0', 'm1', 'm2'], ['m2'], 'live']);
    stop();
    expect(states).toEqual(['live', 'stale', 'live']);
  });
});

describe('the snapshot of a list', { timeout: 120_000 }, () => {
  test('is one object until something changes, and told once for changes that come together', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    const list = Message.live('sort=n');
    const seen: LiveSnapshot<Message>[] = [];
    list.subscribe((snapshot) => void seen.push(snapshot));
    expect(seen).toEqual([
      { data: [], status: 'loading', error: undefined, size: 0, position: undefined, pending: 0, hasMore: false },
    ]);
    await list.ready;
    const { position } = list.getSnapshot();
    expect(list.getSnapshot()).toBe(list.getSnapshot());
    const { record, position: written } = await Message.create({ title: 'x', n: 1 }, { position: true });
    await list.reached(written);
    expect(list.getSnapshot()).toMatchObject({ data: [record], status: 'live', size: 1, position: written });
    expect(written).not.toBe(position);
    const kept = list.records[0];
    await Message.create({ title: 'y', n: 2 });
    await expect.poll(() => list.size).toBe(2);
    expect(list.records[0]).toBe(kept);
    expect(seen.every((snapshot, at) => snapshot !== seen[at - 1])).toBe(true);
    list.close();
    expect(seen.at(-1)?.status).toBe('closed');
  });

  test('has the error that ended it', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const list = open(server).tables.Message.live('nme==1');
    await expect(list.ready).rejects.toMatchObject({ code: 'INVALID_QUERY' });
    expect(list.getSnapshot()).toMatchObject({ status: 'closed', error: { code: 'INVALID_QUERY' } });
    const failing = open(server).tables.Message.live();
    failing.subscribe(({ status }) => {
      if (status === 'live') throw new Error('mine');
    });
    await expect(failing.ended).rejects.toMatchObject({ code: 'CALLBACK_FAILED', message: 'mine' });
  });

  test('waits for a position that the changes of the list do not tell', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    const list = Message.live('n=lt=0');
    await list.ready;
    const { position } = await Message.create({ id: 'a', title: 'x', n: 1 }, { position: true });
    await list.reached(position);
    expect([list.records, Number(list.position) >= position]).toEqual([[], true]);
    const patched = await Message.patch('a', { n: -1 }, { position: true });
    await list.reached(patched.position);
    expect(names(list)).toEqual(['a']);
    const deleted = await Message.delete('a', { position: true });
    await list.reached(deleted.position);
    expect(names(list)).toEqual([]);
  });
});

describe('a window', { timeout: 120_000 }, () => {
  test('holds its records and one more, whatever there are, and grows by loadMore', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    const id = (n: number) => `m${String(n).padStart(4, '0')}`;
    for (let from = 0; from < 3000; from += 1000) {
      await Message.create(Array.from({ length: 1000 }, (_, n) => ({ id: id(from + n), title: 't', n: from + n })));
    }
    const list = Message.live({ sort: 'id', limit: 100 });
    await list.ready;
    expect([names(list).length, list.size, list.getSnapshot().hasMore, list.get(id(101))]).toEqual([
      100,
      100,
      true,
      undefined,
    ]);
    for (let n = 0; n < 30; n++) await Message.delete(id(n));
    await expect.poll(() => [list.records[0]?.id, names(list).length]).toEqual([id(30), 100]);
    await list.loadMore();
    expect([list.records[0]?.id, names(list).length]).toEqual([id(30), 200]);
    await list.loadMore(5);
    expect(names(list).at(-1)).toBe(id(234));
    const last = Message.live({ sort: '-id', limit: 2, offset: 2 });
    await last.ready;
    await Message.delete(id(2999));
    await expect.poll(() => names(last)).toEqual([id(2996), id(2995)]);
    expect(last.getSnapshot().hasMore).toBe(true);
  });

  test('has the number of all that match, also after changes outside of it', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    await Message.create(['a', 'b', 'c', 'd'].map((id, n) => ({ id, title: 't', n })));
    const list = Message.live({ where: { n: { ge: 1 } }, sort: 'n', limit: 2, count: true });
    const all = Message.live({ count: true });
    const uncounted = Message.live({ limit: 2 });
    await Promise.all([list.ready, all.ready, uncounted.ready]);
    const totals = () => [list.total, all.total, uncounted.total];
    expect([...totals(), names(list), list.getSnapshot().hasMore]).toEqual([3, 4, undefined, ['b', 'c'], true]);
    const told: (number | undefined)[] = [];
    list.subscribe(({ total }) => told.push(total));
    // Outside of the window and of what matches, in the window, and behind it.
    await Message.delete('a');
    const { position } = await Message.create({ id: 'e', title: 't', n: 9 }, { position: true });
    await Promise.all([list.reached(position), all.reached(position)]);
    expect([...totals(), names(list), list.position]).toEqual([4, 4, undefined, ['b', 'c'], position]);
    await Message.delete('b');
    await expect.poll(totals).toEqual([3, 3, undefined]);
    expect(names(list)).toEqual(['c', 'd']);
    await server.kill();
    await expect.poll(() => list.getSnapshot().status).toBe('stale');
    await server.restart();
    await expect.poll(() => list.getSnapshot().status).toBe('live');
    await Message.delete('e');
    await expect.poll(totals).toEqual([2, 2, undefined]);
    expect(told.filter((total, at) => at === 0 || total !== told[at - 1])).toEqual([3, 4, 3, 2]);
  });

  test('tells a subscription the number by the frames of its changes, and by one of its own', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    await Message.create(['a', 'b'].map((id, n) => ({ id, title: 't', n })));
    const told: unknown[] = [];
    const subscription = Message.subscribe('sort=n&limit=1&count=true', {
      onReady: ({ total }) => told.push(['ready', total]),
      onChange: ({ op, total }) => told.push([op, total]),
      onTotal: ({ type, total, seq }) => told.push([type, total, seq]),
    });
    await expect.poll(() => subscription.status).toBe('live');
    const { position } = await Message.create({ id: 'c', title: 't', n: 5 }, { position: true });
    await expect.poll(() => subscription.position).toBe(position);
    await Message.delete('a');
    await expect.poll(() => told.length).toBe(5);
    expect(told).toEqual([
      ['retained', undefined],
      ['ready', 2],
      ['total', 3, position],
      ['delete', undefined],
      ['update', 2],
    ]);
  });

  test('counts what it is cut out of, where the server does not follow it', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message, Author } = open(server).tables;
    await Author.create({ id: 'a', name: 'Ada' });
    await Message.create(['m1', 'm2', 'm3'].map((id) => ({ id, title: 't', author: 'a' })) as Partial<Message>[]);
    const list = Message.live('by.name==Ada&sort=id&limit=1&count=true');
    await list.ready;
    expect([names(list), list.total]).toEqual([['m1'], 3]);
    await Author.patch('a', { name: 'Eve' });
    await expect.poll(() => [names(list), list.total]).toEqual([[], 0]);
  });

  test('that the server does not follow is cut out of all that match', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message, Author } = open(server).tables;
    await Author.create([
      { id: 'a', name: 'Ada' },
      { id: 'b', name: 'Bob' },
    ]);
    const rows = ['m1', 'm2', 'm3'].map((id, n) => ({ id, title: 't', n, author: n === 1 ? 'b' : 'a' }));
    await Message.create(rows as Partial<Message>[]);
    const list = Message.live('by.name==Ada&sort=-n&limit=1');
    await list.ready;
    expect([names(list), list.getSnapshot().hasMore]).toEqual([['m3'], true]);
    await Author.patch('b', { name: 'Ada' });
    await Message.delete('m3');
    await expect.poll(() => names(list)).toEqual(['m2']);
  });

  test('ends with the error of the server instead, when it is asked to', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    await Message.create({ id: 'a', title: 'x', n: 1 });
    const list = Message.live('sort=n&offset=5000&limit=10', { fallback: false });
    await expect(list.ended).rejects.toMatchObject({ code: 'INVALID_QUERY', message: expect.stringContaining('2000') });
    expect(list.records).toEqual([]);
  });

  test('of totals has the order of the server, whatever the groups are', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const client = open(server);
    const { Message } = client.tables;
    for (const n of [9, 10, 10, 111]) await Message.create({ title: 'x', n });
    const plain = Message.live('aggregate=count&group=n');
    const sorted = Message.live('aggregate=count&group=n&sort=-count,n');
    await Promise.all([plain.ready, sorted.ready]);
    const groups = (list: { readonly records: readonly unknown[] }) =>
      (list.records as readonly { n: number; count: number }[]).map(({ n, count }) => [n, count]);
    expect(groups(plain)).toEqual([
      [9, 1],
      [10, 2],
      [111, 1],
    ]);
    expect(groups(sorted)).toEqual([
      [10, 2],
      [9, 1],
      [111, 1],
    ]);
    const { position } = await client.tables.Message.create({ title: 'x', n: 111 }, { position: true });
    await Message.create({ title: 'x', n: 111 });
    await Promise.all([plain.reached(position), sorted.reached(position)]);
    await expect.poll(() => groups(sorted)[0]).toEqual([111, 3]);
    expect(groups(plain)).toEqual([
      [9, 1],
      [10, 2],
      [111, 3],
    ]);
  });
});

/** A WebSocket that a proxy refuses, or never answers. */
class Refused extends WebSocket {
  constructor(url: string) {
    super(url.replace(/:\d+\//, ':1/'));
  }
}
class Hanging {
  binaryType = '';
  readonly readyState = 0;
  close() {}
}

describe('where WebSockets do not get through', { timeout: 120_000 }, () => {
  test.each([
    ['are refused', Refused],
    ['hang', Hanging],
  ])('and %s, everything is over an event stream within 5 s', async (_name, Socket) => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server, { WebSocket: Socket }).tables;
    await Message.create({ id: 'a', title: 'x', n: 1 });
    const begun = performance.now();
    const list = Message.live('sort=n');
    await list.ready;
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect(names(list)).toEqual(['a']);
    expect(await list.send({ message_type: 'Update', id: 'b', data: { title: 'y', n: 2 } })).toMatchObject({ id: 'b' });
    await expect.poll(() => names(list)).toEqual(['a', 'b']);
    await Promise.all(Array.from({ length: 30 }, (_, n) => Message.create({ id: `c${n}`, title: 'z', n: 10 + n })));
    await expect.poll(() => list.size).toBe(32);
    await server.kill();
    await expect.poll(() => list.status).not.toBe('live');
    await server.restart();
    await Message.delete('a');
    await expect.poll(() => [list.size, list.status]).toEqual([31, 'live']);
    await expect(Message.subscribe('nme==1').ended).rejects.toMatchObject({ code: 'INVALID_QUERY' });
  });
});
