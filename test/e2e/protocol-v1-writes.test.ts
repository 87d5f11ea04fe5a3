import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { V1_KINDS, V1Client, type V1Options } from '../support/v1-client.ts';

const OPEN = '@export(public: [read, create, update, delete, subscribe, publish])';
const SCHEMA = `
type Stock @table ${OPEN} { sku: ID! @primaryKey left: Int @constraint(min: 0) tags: [String!] extra: JSON secret: JSON @hidden }
type Order @table ${OPEN} { id: ID! @primaryKey customer: String! sku: ID }
type Quiet @table @export(ws: false, sse: false) { id: ID! @primaryKey }`;

let server: TestServer;
let base = '';

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}sse: true\nlimits: {transaction: 5}\n` });
  base = `${server.origin}/my-app`;
}, 120_000);
afterAll(() => server?.[Symbol.asyncDispose]());

async function open(options: V1Options = {}): Promise<V1Client> {
  const client = await V1Client.open(base, options);
  onTestFinished(() => client[Symbol.dispose]());
  return client;
}

function transact(client: V1Client, ref: string | number, steps: unknown, more: Json = {}): Promise<Json> {
  client.send({ type: 'transaction', ref, steps, ...more });
  return client.messages.next((message) => message.ref === ref);
}

const problemOf = ({ problem }: Json) => problem as Json;

describe.each(V1_KINDS)('a transaction over protocol v1 (%s)', (kind) => {
  test('writes to several tables, with keys of earlier steps and conditions', async () => {
    const client = await open({ kind });
    const sku = `t-${kind}`;
    const { seq } = await client.write('stock', { op: 'put', table: 'Stock', key: sku, data: { left: 3 } });
    const steps = [
      { op: 'create', table: 'Order', as: 'order', data: { customer: 'ada', sku } },
      { op: 'patch', table: 'Stock', id: sku, data: { left: { $inc: -2 } }, if_seq: seq },
      { op: 'publish', table: 'Order', id: { $ref: 'order' }, data: { hello: 1 } },
      { op: 'check', table: 'Stock', id: 'none', if_seq: null },
    ];
    const ack = await transact(client, 'a', steps, { return: 'record' });
    expect(ack).toMatchObject({
      type: 'ack',
      seq: expect.stringMatching(/^\d+$/),
      results: [
        { op: 'create', table: 'Order', created: true, seq: expect.any(String), data: { customer: 'ada' } },
        { op: 'patch', id: sku, changed: true, data: { left: 1 } },
        { op: 'publish', delivered: 0 },
        { op: 'check', id: 'none' },
      ],
    });
    const short = await transact(client, 'b', [{ op: 'patch', table: 'Stock', id: sku, data: { left: 0 } }]);
    expect(short.results).toEqual([
      { op: 'patch', table: 'Stock', id: sku, seq: short.seq, created: false, changed: true },
    ]);
  });

  test('is refused whole, with the problem that POST gives', async () => {
    const client = await open({ kind });
    const order = { op: 'create', table: 'Order', data: { id: `refused-${kind}`, customer: 'ada' } };
    for (const [number, wrong] of [
      { op: 'create', table: 'Order', data: { colour: 'red' } },
      { op: 'patch', table: 'Stock', id: 'none', data: { left: 1 } },
      { op: 'put', table: 'Stock', id: 'x', data: { left: -1 } },
      { op: 'delete', table: 'Order', id: { $ref: 'later' } },
    ].entries()) {
      const answer = await transact(client, number, [order, wrong]);
      expect(answer.type).toBe('error');
      const { record } = await server.ask('POST', '_/transaction', { json: { steps: [order, wrong] } });
      expect(problemOf(answer)).toEqual(record);
      expect(problemOf(answer).step).toBe(1);
    }
    const numbers = await transact(client, 'n', [{ op: 'check', table: 'Stock', id: 'x', if_seq: 5 }]);
    expect(problemOf(numbers)).toMatchObject({
      code: 'VALIDATION_ERROR',
      step: 0,
      errors: [{ field: 'steps[0].if_seq' }],
    });
    for (const steps of [null, [], {}, 'x']) {
      expect(problemOf(await transact(client, `s${String(steps)}`, steps)).code).toBe('VALIDATION_ERROR');
    }
    expect(problemOf(await transact(client, 'many', Array(6).fill(order))).code).toBe('BAD_REQUEST');
    expect(problemOf(await transact(client, 'quiet', [{ op: 'create', table: 'Quiet', data: {} }]))).toMatchObject({
      code: 'VALIDATION_ERROR',
      errors: [{ field: 'steps[0].table' }],
    });
    expect(problemOf(await transact(client, 'return', [order], { return: 'all' })).code).toBe('INVALID_MESSAGE');
    expect((await server.ask('GET', `Order/refused-${kind}`)).status).toBe(404);
  });

  test('is done once for each ref of a client with an id', async () => {
    const id = `client-${kind}`;
    const steps = [{ op: 'create', table: 'Order', data: { customer: 'once' } }];
    const first = await transact(await open({ kind, client: id }), 1, steps);
    const second = await open({ kind, client: id });
    expect(await transact(second, 1, steps)).toEqual({ ...first, replayed: true });
    const other = [{ op: 'create', table: 'Order', data: { customer: 'twice' } }];
    expect(problemOf(await transact(second, 1, other)).code).toBe('IDEMPOTENCY_KEY_REUSED');
  });

  test('patches with operators and by merge', async () => {
    const client = await open({ kind });
    const key = `m-${kind}`;
    const write = (ref: string, members: Json) => client.write(ref, { table: 'Stock', key, ...members });
    await write('put', { op: 'put', data: { left: 1, tags: ['a'], extra: { a: { b: 1, c: 2 }, d: 3 } } });
    const changes = { left: { $inc: 4 }, tags: { $addToSet: 'b' } };
    expect(await write('inc', { op: 'patch', data: changes, return: 'record' })).toMatchObject({
      data: { left: 5, tags: ['a', 'b'] },
    });
    expect(problemOf(await write('less', { op: 'patch', data: { left: { $inc: -6 } } })).code).toBe('VALIDATION_ERROR');
    const merged = await write('merge', { op: 'merge', data: { extra: { a: { b: null, e: 5 } } }, return: 'record' });
    expect(merged.data).toMatchObject({ left: 5, extra: { a: { c: 2, e: 5 }, d: 3 } });
    const whole = await write('patch', { op: 'patch', data: { extra: { a: 1 } }, return: 'record' });
    expect(whole.data).toMatchObject({ extra: { a: 1 } });
    const stale = await write('stale', { op: 'merge', data: { extra: { f: 1 } }, if_seq: merged.seq });
    expect(problemOf(stale).code).toBe('PRECONDITION_FAILED');
    expect(problemOf(await write('hidden', { op: 'merge', data: { secret: { a: 1 } } })).code).toBe('VALIDATION_ERROR');
    const absent = await client.write('no', { op: 'merge', table: 'Stock', key: 'none', data: { extra: { a: 1 } } });
    expect(problemOf(absent).code).toBe('NOT_FOUND');
    expect(problemOf(await client.write('key', { op: 'merge', table: 'Stock', data: {} })).code).toBe(
      'INVALID_MESSAGE',
    );
  });

  test('publishes to a record and to a table', async () => {
    const client = await open({ kind });
    await client.subscribe('table', 'Order', { snapshot: false });
    await client.subscribe('record', `Order/p-${kind}`);
    const toRecord = await client.write(1, { op: 'publish', table: 'Order', key: `p-${kind}`, data: [1, 'two'] });
    const toTable = await client.write(2, { op: 'publish', table: 'Order', data: { typing: kind } });
    expect([toRecord.delivered, toTable.delivered]).toEqual([2, 1]);
    await client.settle();
    const published = (id: string) => client.of(id).filter(({ type }) => type === 'publish');
    expect(published('table')).toMatchObject([
      { id: `p-${kind}`, data: [1, 'two'] },
      { id: null, data: { typing: kind } },
    ]);
    expect(published('record')).toMatchObject([{ id: `p-${kind}`, data: [1, 'two'] }]);
  });
});
