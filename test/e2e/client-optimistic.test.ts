import { afterEach, describe, expect, test } from 'vitest';
import { type Client, type ConnectOptions, connect } from '../../src/client/index.ts';
import { optimistic } from '../../src/client/optimistic/optimistic.ts';
import { startServer, type TestServer } from '../support/app.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `type Item @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  title: String! @constraint(maxLength: 20)
  n: Int
  tags: [String!]
  made: Date @createdTime
}
type Product @table @export(public: [read, create, update, delete, subscribe]) {
  sku: ID! @primaryKey
  itemId: ID
}`;
interface Item {
  readonly id: string;
  readonly title: string;
  readonly n: number | null;
  readonly tags: readonly string[] | null;
}
type Tables = { Item: Item; Product: { sku: string; itemId: string | null } };

const clients: Client<Tables>[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function open(server: TestServer, options: ConnectOptions = {}): Client<Tables> {
  const client = connect<Tables>(server.url(''), { optimistic: optimistic({ keys: { Product: 'sku' } }), ...options });
  clients.push(client);
  return client;
}

/** A fetch whose requests other than GET wait until they are let through. */
function heldFetch() {
  const waiting: (() => void)[] = [];
  const held: typeof fetch = async (input, init) => {
    if (init?.method !== 'GET' && init?.method !== 'HEAD') {
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    return fetch(input, init);
  };
  /** Waits for so many requests, and sends them. */
  const letThrough = async (count = 1) => {
    await until(
      async () => waiting.length,
      (found) => found === count,
    );
    for (const go of waiting.splice(0)) go();
  };
  return { fetch: held, letThrough };
}

describe('writes of a client with `optimistic`', { timeout: 120_000 }, () => {
  test('are shown at once in every list they concern, and stay when they are confirmed', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const gate = heldFetch();
    const { tables } = open(server, { fetch: gate.fetch });
    await server.put('Item/a', { title: 'a', n: 1 });
    await server.put('Item/b', { title: 'b', n: 2 });
    const all = tables.Item.live('sort=n');
    const high = tables.Item.live('n=ge=2&sort=-n');
    const first = tables.Item.live('sort=-n&limit=2');
    const one = tables.Item.live('', { id: 'a' });
    const lists = [all, high, first, one];
    await Promise.all(lists.map(({ ready }) => ready));
    const states: string[] = [];
    const shown = () => lists.map(({ records }) => records.map(({ id, n }) => `${id}${n}`).join()).join(' | ');
    for (const list of lists) list.onChange(() => void states.push(shown()));
    expect(shown()).toBe('a1,b2 | b2 | b2,a1 | a1');

    const written = tables.Item.patch('a', { n: 5 });
    expect(shown()).toBe('b2,a5 | a5,b2 | a5,b2 | a5');
    expect([all.getSnapshot().pending, all.get('a')?.n]).toEqual([1, 5]);
    const made = tables.Item.create({ id: 'c', title: 'c', n: 9, tags: [] });
    expect(shown()).toBe('b2,a5,c9 | c9,a5,b2 | c9,a5 | a5');
    const gone = tables.Item.delete('b');
    expect(shown()).toBe('a5,c9 | c9,a5 | c9,a5 | a5');
    const counted = tables.Item.patch('c', { n: { $inc: 1 }, tags: { $push: 'x' } });
    expect(shown()).toBe('a5,c10 | c10,a5 | c10,a5 | a5');
    expect(all.get('c')?.tags).toEqual(['x']);

    const final = shown();
    states.length = 0;
    // The last one waits for the create of its record.
    await gate.letThrough(3);
    await Promise.all([written, made, gone]);
    await gate.letThrough();
    await counted;
    await until(
      async () => lists.map((list) => list.getSnapshot().pending),
      (all) => all.every((count) => count === 0),
    );
    expect(new Set(states)).toEqual(new Set([final]));
    expect(shown()).toBe(final);
    expect(all.records).toEqual((await server.ask('GET', 'Item?sort=n')).records);
  });

  test('that are refused are taken back alone, with their error', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const gate = heldFetch();
    const { tables } = open(server, { fetch: gate.fetch });
    await server.put('Item/a', { title: 'a', n: 1 });
    const list = tables.Item.live('sort=id');
    await list.ready;
    const refused = tables.Item.patch('a', { title: 'x'.repeat(30) });
    const kept = tables.Item.patch('a', { n: { $inc: 1 } });
    const second = tables.Item.create({ id: 'a', title: 'again', n: 0 }, {});
    const third = tables.Item.patch('a', { n: { $inc: 1 } });
    expect(list.records).toMatchObject([{ id: 'a', title: 'again', n: 1 }]);
    const outcomes = Promise.allSettled([refused, kept, second, third]);
    for (let turn = 0; turn < 4; turn++) {
      await gate.letThrough();
    }
    expect((await outcomes).map((one) => (one.status === 'rejected' ? one.reason.code : one.value.n))).toEqual([
      'VALIDATION_ERROR',
      2,
      'CONFLICT',
      3,
    ]);
    expect(list.records).toMatchObject([{ id: 'a', title: 'a', n: 3 }]);
  });

  test('are done once when the server is killed before it answers, and shown all the time', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const keys: (string | null)[] = [];
    let isLost = false;
    const losing: typeof fetch = async (input, init) => {
      if (init?.method !== 'PATCH') return fetch(input, init);
      keys.push(new Headers(init.headers).get('idempotency-key'));
      const answer = await fetch(input, init);
      if (isLost) return answer;
      // The server has done it, and is gone before its answer arrives.
      await server.kill();
      isLost = true;
      throw new TypeError('the connection was lost');
    };
    const { tables } = open(server, { fetch: losing });
    await server.put('Item/a', { title: 'a', n: 1 });
    const list = tables.Item.live('sort=id');
    const few = tables.Item.live('sort=-n&limit=1');
    await Promise.all([list.ready, few.ready]);
    const seen = new Set<unknown>();
    const written = tables.Item.patch('a', { n: { $inc: 1 } });
    for (const each of [list, few]) each.onChange((records) => void seen.add(records[0]?.n));
    await until(
      async () => isLost,
      (lost) => lost,
    );
    await until(
      async () => list.getSnapshot().status,
      (status) => status === 'stale',
    );
    expect(list.records[0]?.n).toBe(2);
    await server.restart();
    expect(await written).toMatchObject({ n: 2 });
    for (const each of [list, few]) {
      await until(
        async () => each.getSnapshot(),
        ({ status, pending }) => status === 'live' && pending === 0,
      );
      expect(each.records[0]?.n).toBe(2);
    }
    expect(seen).toEqual(new Set([2]));
    expect(keys.length).toBeGreaterThan(1);
    expect(new Set(keys).size).toBe(1);
    expect((await server.ask('GET', 'Item/a')).record).toMatchObject({ n: 2 });
  });

  test('of a transaction appear and disappear together, with the keys that its steps refer to', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const gate = heldFetch();
    const client = open(server, { fetch: gate.fetch });
    const { tables } = client;
    const items = tables.Item.live('sort=n');
    const products = tables.Product.live();
    await Promise.all([items.ready, products.ready]);
    const steps = [
      { op: 'create', table: 'Item', as: 'item', data: { title: 'one', n: 1 } },
      { op: 'create', table: 'Product', data: { sku: 'p', itemId: { $ref: 'item' } } },
      { op: 'patch', table: 'Item', id: { $ref: 'item' }, data: { n: { $inc: 4 } } },
    ] as const;
    const done = client.transaction(steps);
    const id = items.records[0]?.id;
    expect(items.records).toMatchObject([{ title: 'one', n: 5 }]);
    expect(products.records).toEqual([{ sku: 'p', itemId: id }]);
    const counts = new Set<unknown>();
    items.onChange((records) => void counts.add(records.map(({ n }) => n).join()));
    await gate.letThrough();
    const { results, position } = await done;
    expect(results.map((one) => one.id)).toEqual([id, 'p', id]);
    await Promise.all([items.reached(position), products.reached(position)]);
    expect(counts).toEqual(new Set(['5']));
    const refused = client.transaction([
      { op: 'delete', table: 'Product', id: 'p' },
      { op: 'check', table: 'Item', id: id as string, ifSeq: 1 },
    ]);
    expect(products.records).toEqual([]);
    await gate.letThrough();
    await expect(refused).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(products.records).toMatchObject([{ sku: 'p' }]);
  });

  test('go to the end of an order by a field that the server sets, and leave a window that they do not fit', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { tables } = open(server);
    await tables.Item.create(['a', 'b', 'c'].map((title, n) => ({ id: title, title, n })));
    const newest = tables.Item.live('sort=-made&limit=2');
    const page = tables.Item.live('sort=n&limit=2&offset=1&select=n');
    await Promise.all([newest.ready, page.ready]);
    const made = tables.Item.create({ title: 'd', n: 9 });
    expect(newest.records[0]).toMatchObject({ title: 'd' });
    expect(page.records.map(({ n }) => n)).toEqual([1, 2]);
    const moved = tables.Item.patch('b', { n: -1, title: 'B' });
    expect(page.records.map(({ n }) => n)).toEqual([2, 9]);
    const { id } = await made;
    await moved;
    await until(
      async () => [newest, page].map((list) => list.getSnapshot().pending),
      (all) => all.join() === '0,0',
    );
    expect(newest.records[0]?.id).toBe(id);
    expect(page.records).toEqual((await server.ask('GET', 'Item?sort=n&limit=2&offset=1&select=n')).records);
  });
});
