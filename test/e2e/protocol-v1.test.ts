import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { V1_KINDS, V1Client, type V1Options } from '../support/v1-client.ts';

const SCHEMA = `type Task @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String
  state: String @indexed
  rank: Int
}
`;

let server: TestServer;
let base = '';

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}limits: {subscriptions: 2000}\n` });
  base = `${server.origin}/my-app`;
}, 120_000);
afterAll(() => server?.[Symbol.asyncDispose]());

async function open(options: V1Options = {}): Promise<V1Client> {
  const client = await V1Client.open(base, options);
  onTestFinished(() => client[Symbol.dispose]());
  return client;
}

let count = 0;
function unique(): string {
  return `t${++count}`;
}

describe.each(V1_KINDS)('protocol v1 over %s', (kind) => {
  test('begins with hello: version, limits, schema and connection', async () => {
    const { hello } = await open({ kind });
    expect(hello).toMatchObject({
      type: 'hello',
      protocol: 'tablecast.v1',
      schema: expect.any(String),
      connection: expect.stringMatching(/^[0-9a-f-]{36}$/),
      limits: { subscriptions: 2000, message: 524_288 },
    });
    expect(Object.hasOwn(hello, 'post')).toBe(kind === 'sse');
  });

  test('sends the stored records, ready, and every change after that', async () => {
    const client = await open({ kind });
    const state = unique();
    await client.write(1, { op: 'put', table: 'Task', key: `${state}-a`, data: { state, rank: 1 } });
    await client.subscribe('list', `Task?state==${state}`);
    const [page, ready] = client.of('list');
    expect(page).toEqual({
      s: ['list'],
      type: 'page',
      records: [{ id: `${state}-a`, seq: expect.stringMatching(/^\d+$/), data: expect.objectContaining({ rank: 1 }) }],
    });
    expect(ready).toEqual({ s: ['list'], type: 'ready', seq: expect.stringMatching(/^\d+$/) });
    const ack = await client.write('w', { op: 'create', table: 'Task', data: { id: `${state}-b`, state } });
    expect(ack).toEqual({ type: 'ack', ref: 'w', key: `${state}-b`, seq: expect.any(String), changed: true });
    await client.write(2, { op: 'patch', table: 'Task', key: `${state}-a`, data: { state: 'gone' } });
    await client.write(3, { op: 'delete', table: 'Task', key: `${state}-b`, if_seq: ack.seq });
    await client.settle();
    const changes = client.of('list').slice(2);
    expect(changes).toMatchObject([
      { s: ['list'], type: 'update', op: 'create', id: `${state}-b`, seq: ack.seq, data: { state } },
      { type: 'delete', id: `${state}-a`, reason: 'filter' },
      { type: 'delete', id: `${state}-b` },
    ]);
    expect(changes[0]?.time).toMatch(/^\d{4}-.*Z$/);
  });

  test('has records, messages and the record of a write on request', async () => {
    const client = await open({ kind });
    const id = unique();
    await client.subscribe(1, `Task/${id}?select=title`);
    const ack = await client.write(1, {
      op: 'put',
      table: 'Task',
      key: id,
      data: { title: 'One', rank: 2 },
      return: 'record',
    });
    expect(ack.data).toMatchObject({ id, title: 'One', rank: 2 });
    const published = await client.write(2, { op: 'publish', table: 'Task', key: id, data: { typing: true } });
    expect(published).toMatchObject({ type: 'ack', delivered: 1 });
    await client.settle();
    expect(client.of(1).slice(1)).toMatchObject([
      { type: 'update', id, data: { id, title: 'One' } },
      { type: 'publish', id, data: { typing: true } },
    ]);
  });

  test('resumes each subscription from its position, and resets what cannot be resumed', async () => {
    const state = unique();
    const first = await open({ kind });
    await first.subscribe(1, `Task?state==${state}`);
    const { seq } = await first.write(1, { op: 'put', table: 'Task', key: `${state}-a`, data: { state } });
    first[Symbol.dispose]();
    const second = await open({ kind });
    await second.write(1, { op: 'put', table: 'Task', key: `${state}-b`, data: { state } });
    await second.subscribe(7, `Task?state==${state}`, { since: seq as string });
    expect(second.of(7)).toMatchObject([{ type: 'update', id: `${state}-b` }, { type: 'ready' }]);
    await second.subscribe(8, `Task?state==${state}`, { since: '1' });
    expect(second.of(8).map(({ type }) => type)).toEqual(['reset', 'page', 'ready']);
    await second.subscribe(9, `Task?state==${state}`, { snapshot: false });
    expect(second.of(9).map(({ type }) => type)).toEqual(['ready']);
  });

  test('says each change once, with the ids of all subscriptions that receive it', async () => {
    const client = await open({ kind });
    const state = unique();
    for (const id of [1, 'two', 3]) await client.subscribe(id, `Task?state==${state}`, { snapshot: false });
    await client.subscribe('other', `Task?state==${state}&select=id`, { snapshot: false });
    const before = client.messages.items.length;
    const ids = [...Array(20).keys()].map((number) => `${state}-${number}`);
    await Promise.all(
      ids.map((key, ref) => client.write(`${state}${ref}`, { op: 'put', table: 'Task', key, data: { state } })),
    );
    await client.settle();
    const changes = client.messages.items.slice(before).filter(({ type }) => type === 'update');
    const full = changes.filter(({ s }) => (s as unknown[]).includes(1));
    expect(full.map(({ id }) => id)).toEqual(ids);
    for (const { s } of full) expect(new Set(s as unknown[])).toEqual(new Set([1, 'two', 3]));
    expect(changes).toHaveLength(40);
  });

  test('reports errors as problems, about the subscription or the request', async () => {
    const client = await open({ kind });
    client.send({ type: 'subscribe', id: 5, query: 'Nothing' });
    expect(await client.next({ type: 'error' })).toEqual({
      type: 'error',
      id: 5,
      problem: expect.objectContaining({ code: 'NOT_FOUND', status: 404, type: 'urn:tablecast:error:NOT_FOUND' }),
    });
    client.send({ type: 'subscribe', id: 6, query: 'Task?nothing==1' });
    expect(await client.next({ id: 6, type: 'error' })).toMatchObject({ problem: { code: 'INVALID_QUERY' } });
    const refused = await client.write('r', { op: 'put', table: 'Task', key: 'x', data: { rank: 'many' } });
    expect(refused).toMatchObject({ ref: 'r', problem: { code: 'VALIDATION_ERROR', errors: [{ field: 'rank' }] } });
    const stale = await client.write('s', { op: 'put', table: 'Task', key: 'new-one', data: {}, if_seq: '17' });
    expect(stale).toMatchObject({ ref: 's', problem: { code: 'PRECONDITION_FAILED' } });
    client.send({ type: 'dance', ref: 9 });
    expect(await client.next({ ref: 9 })).toMatchObject({ type: 'error', problem: { code: 'INVALID_MESSAGE' } });
  });

  test('does a write with a ref once for a client with an id', async () => {
    const client = unique();
    const one = await open({ kind, client });
    const write = { op: 'create', table: 'Task', data: { title: 'Once' } };
    const ack = await one.write('ref-1', write);
    const two = await open({ kind, client });
    expect(await two.write('ref-1', write)).toEqual({ ...ack, replayed: true });
    const other = await two.write('ref-1', { ...write, data: { title: 'Twice' } });
    expect(other).toMatchObject({ problem: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  test('sends no more to a subscription than its credit, and holds up no other', async () => {
    const client = await open({ kind });
    const state = unique();
    await client.subscribe('slow', `Task?state==${state}`, { credit: { frames: 2 } });
    await client.subscribe('fast', `Task?state==${state}`);
    const writes = async (from: number, to: number) => {
      for (let each = from; each < to; each++) {
        await client.write(`${state}${each}`, { op: 'put', table: 'Task', key: `${state}-${each}`, data: { state } });
      }
      await client.settle();
    };
    const idsOf = (id: string) => client.of(id).flatMap(({ type, id: key }) => (type === 'update' ? [key] : []));
    await writes(0, 40);
    expect(idsOf('slow')).toEqual([`${state}-0`, `${state}-1`]);
    expect(idsOf('fast')).toHaveLength(40);
    client.send({ type: 'credit', id: 'slow', frames: 5 });
    await client.messages.next(({ s, id }) => Array.isArray(s) && s.includes('slow') && id === `${state}-6`);
    await client.settle();
    expect(idsOf('slow')).toHaveLength(7);
    await writes(40, 60);
    expect(idsOf('slow')).toHaveLength(7);
    client.send({ type: 'credit', id: 'slow', frames: 1000 });
    await client.messages.next(({ s, id }) => Array.isArray(s) && s.includes('slow') && id === `${state}-59`);
    expect(idsOf('slow')).toEqual(idsOf('fast'));
  });

  test('counts records of a snapshot against the credit', async () => {
    const client = await open({ kind });
    const state = unique();
    for (let each = 0; each < 10; each++) {
      await client.write(each, { op: 'put', table: 'Task', key: `${state}-${each}`, data: { state } });
    }
    client.send({ type: 'subscribe', id: 1, query: `Task?state==${state}`, credit: { frames: 4 } });
    await client.next({ type: 'page' });
    await client.settle();
    const records = () => client.of(1).flatMap(({ records: all }) => (all as Json[] | undefined) ?? []);
    expect(records()).toHaveLength(4);
    client.send({ type: 'credit', id: 1, frames: 7 });
    await client.next({ type: 'ready' });
    expect(records().map(({ id }) => id)).toEqual([...Array(10).keys()].map((each) => `${state}-${each}`));
  });

  test('ends a subscription on request, and replaces one with the same id', async () => {
    const client = await open({ kind });
    const state = unique();
    await client.subscribe(1, `Task?state==${state}`);
    await client.subscribe(1, `Task?state==${state}&select=id`, { snapshot: false });
    await client.write(1, { op: 'put', table: 'Task', key: state, data: { state } });
    await client.settle();
    expect(client.of(1).filter(({ type }) => type === 'update')).toMatchObject([{ data: { id: state } }]);
    client.send({ type: 'unsubscribe', id: 1 });
    await client.next({ type: 'unsubscribed', id: 1 });
    const before = client.of(1).length;
    await client.write(2, { op: 'delete', table: 'Task', key: state });
    await client.settle();
    expect(client.of(1)).toHaveLength(before);
  });

  test('keeps the page of a sorted list, with the place of each record', async () => {
    const client = await open({ kind });
    const state = unique();
    const put = (key: string, rank: number) =>
      client.write(key, { op: 'put', table: 'Task', key: `${state}-${key}`, data: { state, rank } });
    for (const [key, rank] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ] as const) {
      await put(key, rank);
    }
    await client.subscribe('top', `Task?state==${state}&sort=-rank&limit=2`);
    const [page] = client.of('top') as [{ records: { id: string }[] }];
    expect(page.records.map(({ id }) => id)).toEqual([`${state}-c`, `${state}-b`]);
    const { seq } = await put('d', 9);
    const { seq: removed } = await client.write('x', { op: 'delete', table: 'Task', key: `${state}-d` });
    await client.settle();
    const changes = client.of('top').slice(2);
    expect(changes).toMatchObject([
      { type: 'delete', id: `${state}-b`, seq, reason: 'window', more: true },
      { type: 'update', id: `${state}-d`, seq, at: 0 },
      { type: 'delete', id: `${state}-d`, seq: removed, more: true },
      { type: 'update', id: `${state}-b`, seq: removed, reason: 'window', at: 1, record_seq: expect.any(String) },
    ]);
    for (const change of [changes[1], changes[3]]) expect(change).not.toHaveProperty('more');
    expect(changes[3]?.record_seq).not.toBe(removed);
  });

  test('carries a thousand subscriptions', async () => {
    const client = await open({ kind });
    const state = unique();
    const ids = [...Array(1000).keys()];
    for (let from = 0; from < 1000; from += 100) {
      const part = ids.slice(from, from + 100);
      client.send(
        ...part.map((id) => ({
          type: 'subscribe',
          id,
          query: `Task?state==${state}&rank==${id % 100}`,
          snapshot: false,
        })),
      );
      await client.messages.next(({ type, s }) => type === 'ready' && (s as number[]).includes(from + 99));
    }
    const before = client.messages.items.length;
    await client.write('w', { op: 'put', table: 'Task', key: state, data: { state, rank: 42 } });
    await client.next({ type: 'update' });
    await client.settle();
    const changes = client.messages.items.slice(before).filter(({ type }) => type === 'update');
    expect(changes.flatMap(({ s }) => s as number[]).toSorted((a, b) => a - b)).toEqual(
      ids.filter((id) => id % 100 === 42),
    );
    expect(changes).toHaveLength(1);
  });
});
