import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';

const SCHEMA = `
type Order @table @export(public: [read, create, update, delete, subscribe, publish]) { id: ID! @primaryKey customer: String! state: String made: Date @createdTime }
type Line @table @export { id: ID! @primaryKey orderId: ID! amount: Int! tags: [ID!] extra: JSON place: Place }
type Place { shelf: ID }
type Stock @table @export { sku: ID! @primaryKey left: Int! name: String @unique }
type Counter @table @export { id: Int! @primaryKey n: Int }
type Streamed @table @export(rest: false) { id: ID! @primaryKey }
type Closed @table { id: ID! @primaryKey }`;

describe('a transaction over HTTP', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}limits:\n  transaction: 5\n` });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const table of ['Order', 'Line', 'Stock', 'Counter']) await server.ask('DELETE', `${table}?all=true`);
    await server.put('Stock/apple', { left: 10, name: 'Apple' });
  });

  const send = (steps: unknown, headers: Record<string, string> = {}) =>
    server.ask('POST', '_/transaction', { json: { steps }, headers });
  const seqOf = async (path: string) =>
    Number((await server.ask('GET', path)).headers.get('etag')?.replaceAll('"', ''));
  const count = async (table: string) => (await server.ask('GET', table)).records.length;

  test('writes to several tables, and gives the results in the order of the steps', async () => {
    const seq = await seqOf('Stock/apple');
    const answer = await send([
      { op: 'create', table: 'Order', as: 'order', data: { customer: 'ada' } },
      { op: 'create', table: 'Line', data: { orderId: { $ref: 'order' }, amount: 2 } },
      { op: 'patch', table: 'Stock', id: 'apple', data: { left: 8 }, if_seq: seq },
      { op: 'publish', table: 'Order', id: { $ref: 'order' }, data: { hello: 1 } },
      { op: 'delete', table: 'Stock', id: 'apple' },
    ]);
    expect(answer.status).toBe(200);
    const { results, seq: position } = answer.record as { results: Json[]; seq: number };
    const order = results[0]?.data as Json;
    expect(results).toMatchObject([
      { op: 'create', table: 'Order', created: true, changed: true, data: { customer: 'ada', state: null } },
      { op: 'create', table: 'Line', data: { orderId: order.id, amount: 2 } },
      { op: 'patch', table: 'Stock', id: 'apple', created: false, data: { left: 8 } },
      { op: 'publish', table: 'Order', id: order.id, delivered: 0 },
      { op: 'delete', table: 'Stock', id: 'apple', seq: position },
    ]);
    expect(Object.keys(results[4] as Json)).toEqual(['op', 'table', 'id', 'seq']);
    expect((await server.ask('GET', `Order/${order.id}`)).record).toEqual(order);
    expect([await count('Line'), await count('Stock')]).toEqual([1, 0]);
  });

  test('is refused whole when one step is, with the step in the problem and in the paths', async () => {
    const order = { op: 'create', table: 'Order', data: { customer: 'ada' } };
    const refused = async (step: Json) => {
      const { status, record } = await send([order, step]);
      return [status, record.code, record.step, record.errors ?? record.detail];
    };
    expect(await refused({ op: 'create', table: 'Line', data: { orderId: 'x', amount: 'many', colour: 1 } })).toEqual([
      400,
      'VALIDATION_ERROR',
      1,
      [expect.objectContaining({ field: 'steps[1].amount' }), expect.objectContaining({ field: 'steps[1].colour' })],
    ]);
    expect(await refused({ op: 'patch', table: 'Stock', id: 'pear', data: { left: 1 } })).toEqual([
      404,
      'NOT_FOUND',
      1,
      'steps[1]: There is no record with the id "pear".',
    ]);
    expect(await refused({ op: 'patch', table: 'Stock', id: 'apple', data: { left: 1 }, if_seq: 5 })).toEqual([
      412,
      'PRECONDITION_FAILED',
      1,
      expect.stringContaining('steps[1]: The condition'),
    ]);
    expect(await refused({ op: 'create', table: 'Stock', data: { sku: 'b', left: 1, name: 'Apple' } })).toEqual([
      409,
      'CONFLICT',
      1,
      [{ field: 'steps[1].name', message: 'is taken by another record' }],
    ]);
    expect(await count('Order')).toBe(0);
  });

  test('checks conditions without writing', async () => {
    const seq = await seqOf('Stock/apple');
    const order = { op: 'create', table: 'Order', data: { customer: 'ada' } };
    const good = await send([
      { op: 'check', table: 'Stock', id: 'apple', if_seq: seq },
      { op: 'check', table: 'Stock', id: 'pear', if_seq: null },
      order,
    ]);
    expect([good.status, (good.record.results as Json[])[0]]).toEqual([
      200,
      { op: 'check', table: 'Stock', id: 'apple', seq },
    ]);
    for (const wrong of [
      { id: 'apple', if_seq: seq - 1 },
      { id: 'apple', if_seq: null },
      { id: 'pear', if_seq: seq },
    ]) {
      const { status, record } = await send([order, { op: 'check', table: 'Stock', ...wrong }]);
      expect([status, record.code, record.step]).toEqual([412, 'PRECONDITION_FAILED', 1]);
    }
    expect(await count('Order')).toBe(1);
  });

  test('takes ids of earlier steps wherever a key can be, and leaves objects in JSON fields as they are', async () => {
    const answer = await send([
      { op: 'put', table: 'Stock', id: 'pear', as: 'pear', data: { left: 1 } },
      { op: 'put', table: 'Counter', id: 7, as: 'seven', data: { n: 1 } },
      {
        op: 'create',
        table: 'Line',
        data: {
          orderId: { $ref: 'pear' },
          amount: { $ref: 'seven' },
          tags: ['a', { $ref: 'pear' }],
          extra: { $ref: 'pear' },
          place: { shelf: { $ref: 'pear' } },
        },
      },
      { op: 'patch', table: 'Counter', id: { $ref: 'seven' }, data: { n: 2 } },
      { op: 'delete', table: 'Stock', id: { $ref: 'pear' } },
    ]);
    expect(answer.status, answer.text).toBe(200);
    expect((answer.record.results as Json[])[2]?.data).toMatchObject({
      orderId: 'pear',
      amount: 7,
      tags: ['a', 'pear'],
      extra: { $ref: 'pear' },
      place: { shelf: 'pear' },
    });
    expect((await server.ask('GET', 'Counter/7')).record.n).toBe(2);
  });

  test.each([
    [
      'a later step',
      [
        { op: 'create', table: 'Line', data: { orderId: { $ref: 'o' }, amount: 1 } },
        { op: 'create', table: 'Order', as: 'o', data: { customer: 'a' } },
      ],
      'steps[0].orderId',
    ],
    ['itself', [{ op: 'put', table: 'Order', id: { $ref: 'o' }, as: 'o', data: { customer: 'a' } }], 'steps[0].id'],
    ['no step', [{ op: 'delete', table: 'Order', id: { $ref: 'o' } }], 'steps[0].id'],
    ['a number', [{ op: 'delete', table: 'Order', id: { $ref: 1 } }], 'steps[0].id'],
  ])('refuses a reference to %s', async (_, steps, field) => {
    const { status, record } = await send(steps);
    expect([status, record.code, (record.errors as Json[])[0]?.field]).toEqual([400, 'VALIDATION_ERROR', field]);
    expect(await count('Order')).toBe(0);
  });

  test.each([
    ['no steps', undefined, 'steps'],
    ['an empty list', [], 'steps'],
    ['a step that is no object', [1], undefined],
    ['an unknown op', [{ op: 'upsert', table: 'Order' }], 'steps[0].op'],
    ['an unknown table', [{ op: 'delete', table: 'Ordr', id: 'a' }], 'steps[0].table'],
    ['a table without an address', [{ op: 'delete', table: 'Closed', id: 'a' }], 'steps[0].table'],
    ['a table without REST', [{ op: 'create', table: 'Streamed', data: {} }], 'steps[0].table'],
    ['an unknown member', [{ op: 'delete', table: 'Order', id: 'a', where: 1 }], 'steps[0].where'],
    ['an id of a create', [{ op: 'create', table: 'Order', id: 'a', data: {} }], 'steps[0].id'],
    ['a patch without id', [{ op: 'patch', table: 'Order', data: {} }], 'steps[0].id'],
    ['a put without data', [{ op: 'put', table: 'Order', id: 'a' }], 'steps[0].data'],
    ['data of a delete', [{ op: 'delete', table: 'Order', id: 'a', data: {} }], 'steps[0].data'],
    ['a condition of a create', [{ op: 'create', table: 'Order', data: {}, if_seq: null }], 'steps[0].if_seq'],
    ['a check without a condition', [{ op: 'check', table: 'Order', id: 'a' }], 'steps[0].if_seq'],
    ['a condition that is no seq', [{ op: 'delete', table: 'Order', id: 'a', if_seq: '5' }], 'steps[0].if_seq'],
    ['a name that is none', [{ op: 'delete', table: 'Order', id: 'a', as: 'a b' }], 'steps[0].as'],
    [
      'two steps of one name',
      [
        { op: 'check', table: 'Order', id: 'a', if_seq: null, as: 'x' },
        { op: 'check', table: 'Order', id: 'a', if_seq: null, as: 'x' },
      ],
      'steps[1].as',
    ],
  ])('refuses %s', async (_, steps, field) => {
    const { status, record } = await send(steps);
    expect([status, record.code]).toEqual([400, 'VALIDATION_ERROR']);
    if (field !== undefined) expect((record.errors as Json[])[0]?.field).toBe(field);
  });

  test('has as many steps as limits.transaction says', async () => {
    const steps = Array.from({ length: 5 }, () => ({ op: 'create', table: 'Order', data: { customer: 'a' } }));
    expect((await send(steps)).status).toBe(200);
    const { status, record } = await send([...steps, steps[0]]);
    expect([status, record.code, record.detail]).toEqual([
      400,
      'BAD_REQUEST',
      expect.stringContaining('limits.transaction'),
    ]);
    expect(await count('Order')).toBe(5);
  });

  test('is answered again by its Idempotency-Key, and refused with other steps', async () => {
    const steps = [
      { op: 'create', table: 'Order', as: 'o', data: { customer: 'ada' } },
      { op: 'create', table: 'Line', data: { orderId: { $ref: 'o' }, amount: 1 } },
    ];
    const key = { 'idempotency-key': 'once' };
    const first = await send(steps, key);
    const again = await send(steps, key);
    expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 200, 'true']);
    expect(again.text).toBe(first.text);
    const other = await send(steps.slice(1), { 'idempotency-key': 'once' });
    expect([other.status, other.record.code]).toEqual([400, 'VALIDATION_ERROR']);
    const others = await send(steps.slice(0, 1), { 'idempotency-key': 'once' });
    expect([others.status, others.record.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect([await count('Order'), await count('Line')]).toEqual([1, 1]);
  });

  test('leaves the key free when it is refused', async () => {
    const key = { 'idempotency-key': 'free' };
    const step = { op: 'patch', table: 'Stock', id: 'pear', data: { left: 1 } };
    expect((await send([step], key)).status).toBe(404);
    await server.put('Stock/pear', { left: 0 });
    expect((await send([step], key)).status).toBe(200);
  });

  test('leaves records out with Prefer: return=minimal, and takes no query, condition or other method', async () => {
    const steps = [{ op: 'put', table: 'Stock', id: 'apple', data: { left: 1 } }];
    const minimal = await send(steps, { prefer: 'return=minimal' });
    expect(minimal.headers.get('preference-applied')).toBe('return=minimal');
    expect((minimal.record.results as Json[])[0]).not.toHaveProperty('data');
    const query = await server.ask('POST', '_/transaction?x=1', { json: { steps } });
    expect([query.status, query.record.code]).toEqual([400, 'INVALID_QUERY']);
    expect((await send(steps, { 'if-match': '"1"' })).record.code).toBe('BAD_REQUEST');
    const got = await server.ask('GET', '_/transaction');
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });

  test('counts what was written or refused with its table', async () => {
    const metric = (name: string) => server.metric(new RegExp(`^tablecast_${name}.*table="Stock"`));
    const before = await metric('writes');
    await send([
      { op: 'put', table: 'Stock', id: 'a', data: { left: 1 } },
      { op: 'put', table: 'Stock', id: 'b', data: { left: 1 } },
    ]);
    expect((await metric('writes')) - before).toBe(2);
  });
});
