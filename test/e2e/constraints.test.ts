import { encode as encodePack } from '@msgpack/msgpack';
import { encode as encodeCbor } from 'cborg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, runToExit, startServer, type TestServer } from '../support/app.ts';
import { WsClient } from '../support/ws-client.ts';

const FIELDS = `id: ID! @primaryKey
  title: String! @constraint(minLength: 1, maxLength: 5)
  stock: Int @constraint(min: 0)
  sold: Int
  price: Float
  tags: [String!] @constraint(maxItems: 3, uniqueItems: true, pattern: "^[a-z]+$")
  address: Address
  any: JSON
  when: Date
  big: Long
  needed: Int! @default(value: 1)
  double: Int @computed(from: "stock * 2")`;
const RULE = '@check(rule: "sold <= stock", message: "must not be more than there are")';
const SCHEMA = `type Address { city: String @constraint(minLength: 2) }
type Item @table @export ${RULE} { ${FIELDS} }
type Hooked @table @export ${RULE} { ${FIELDS} }
type Trigger @table @export { id: ID! @primaryKey amount: Int title: String }
type Kept @table @export { id: ID! @primaryKey n: Int @access(write: "editor") open: Int }
type Coded @table @export { id: ID! @primaryKey @constraint(pattern: "^[a-z]{2}$") n: Int }`;
const CONFIG = `${BASE_CONFIG}hooks: hooks.mjs
routes: routes/change.mjs
flows:
  take:
    from: {connector: table, operation: change, table: Trigger}
    when: input.event == "create" && input.record.title.matches("^take")
    transform: {id: '"flow"', stock: {"$inc": input.record.amount}}
    to: {connector: table, operation: update, target: Item}
`;
const HOOKS = `export const tables = { Hooked: {
  beforeCreate: ({ record }) => ({ ...record, title: record.title + record.title }),
  beforeUpdate: ({ record }) => ({ ...record, sold: { $inc: 1 } }),
} };`;
const ROUTE = `export const routes = { change: { method: 'POST', handler: async ({ tables, body }) => tables.Item.patch('code', body) } };`;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    schema: SCHEMA,
    config: CONFIG,
    files: { 'hooks.mjs': HOOKS, 'routes/change.mjs': ROUTE },
  });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

const send = (method: string, path: string, type: string, body: string | Uint8Array) =>
  server.ask(method, path, { body: Buffer.from(body as string), headers: { 'content-type': type } });
const patch = (id: string, json: unknown, headers: Record<string, string> = {}) =>
  server.ask('PATCH', `Item/${id}`, { json, headers });

const BROKEN = { title: 'too long', tags: ['b', 'B2', 'b', 'c'], address: { city: 'x' }, stock: 1, sold: 2 };
const ERRORS = [
  ['title', 'must have at most 5 characters'],
  ['tags', 'must have at most 3 items'],
  ['tags[1]', 'must match the pattern ^[a-z]+$'],
  ['tags[2]', 'is the same as tags[0]; items must be unique'],
  ['address.city', 'must have at least 2 characters'],
  ['sold', 'must not be more than there are'],
  ['stock', 'must not be more than there are'],
];
/** The errors by their fields: binary formats sort the members of an object. */
const sorted = (errors: string[][]) => errors.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1));
const listed = (errors: unknown) =>
  (errors as { field: string; message: string }[]).map(({ field, message }) => [field, message]);

describe('every writer is refused with everything that is wrong', () => {
  test.each([
    ['POST', () => send('POST', 'Item', 'application/json', JSON.stringify(BROKEN)), ''],
    ['POST of many', () => send('POST', 'Item', 'application/json', JSON.stringify([{ title: 'ok' }, BROKEN])), '[1].'],
    [
      'NDJSON',
      () => send('POST', 'Item', 'application/x-ndjson', `{"title":"ok"}\n${JSON.stringify(BROKEN)}`),
      'line 2, ',
    ],
    [
      'CSV',
      () =>
        send(
          'POST',
          'Item',
          'text/csv',
          `title,tags,address,stock,sold\r\ntoo long,"[""b"",""B2"",""b"",""c""]","{""city"":""x""}",1,2\r\n`,
        ),
      'row 2, column ',
    ],
    ['PUT', () => send('PUT', 'Item/a', 'application/json', JSON.stringify(BROKEN)), ''],
    ['PUT in CBOR', () => send('PUT', 'Item/a', 'application/cbor', encodeCbor(BROKEN)), ''],
    ['POST in MessagePack', () => send('POST', 'Item', 'application/msgpack', encodePack(BROKEN)), ''],
  ])('%s', async (_, write, place) => {
    const { status, record: json } = await write();
    expect([status, json.code]).toEqual([400, 'VALIDATION_ERROR']);
    const errors = ERRORS.map(([field, message]) => [`${place}${field}`, `${message}`]);
    expect(sorted(listed(json.errors))).toEqual(sorted(errors));
  });

  test('WebSocket', async () => {
    using client = await WsClient.subscribe(server.wsUrl('Item'));
    client.send({ message_type: 'Update', id: 'w', data: BROKEN, ref: 1 });
    const { code, details } = (await client.controls.next((frame) => frame.ref === 1)) as unknown as Record<
      string,
      unknown
    >;
    expect([code, listed(details)]).toEqual(['VALIDATION_ERROR', ERRORS]);
  });

  test('PATCH, whose rule is judged with what is stored', async () => {
    await server.put('Item/a', { title: 'a', stock: 5, sold: 3 });
    const { status, record: json } = await patch('a', { stock: 2 });
    expect([status, listed(json.errors)]).toEqual([400, ERRORS.slice(5)]);
    const many = await server.ask('PATCH', 'Item?id==a', { json: { stock: 2 } });
    expect([many.status, listed(many.record.errors)[0]]).toEqual([
      400,
      ['record "a", field sold', 'must not be more than there are'],
    ]);
    expect((await patch('a', { title: 'too long', tags: ['1'] })).status).toBe(400);
  });

  test('what a hook has made of a record', async () => {
    const { status, record: json } = await server.ask('POST', 'Hooked', { json: { title: 'abc' } });
    expect([status, listed(json.errors)]).toEqual([400, [['title', 'must have at most 5 characters']]]);
  });

  test('a key that a new record may not have', async () => {
    const errors = async (method: string, path: string, json: object) =>
      (await server.ask(method, path, { json })).record;
    const wrong = { errors: [{ field: 'id', message: 'must match the pattern ^[a-z]{2}$' }] };
    expect(await errors('PUT', 'Coded/abc', { n: 1 })).toMatchObject(wrong);
    expect(await errors('POST', 'Coded', { id: 'x', n: 1 })).toMatchObject(wrong);
    expect(await errors('POST', 'Coded', { n: 1 })).toMatchObject(wrong);
    expect((await server.put('Coded/ab', { n: 1 })).status).toBe(201);
  });
});

describe('operators', () => {
  const WHOLE = {
    title: 'a',
    stock: 5,
    sold: 0,
    price: 0.1,
    tags: ['a'],
    when: '2025-01-01',
    big: '9007199254740993',
    address: { city: 'Bern' },
  };
  const CHANGES = {
    stock: { $inc: -2 },
    sold: { $max: 2 },
    price: { $inc: 0.2 },
    tags: { $addToSet: ['b', 'a'] },
    when: { $min: '2024-01-01' },
    big: { $inc: 1 },
    address: { $unset: true },
    any: { $inc: 1 },
  };
  const AFTER = {
    stock: 3,
    sold: 2,
    price: 0.3,
    tags: ['a', 'b'],
    when: '2024-01-01T00:00:00.000Z',
    big: '9007199254740994',
    address: null,
    any: { $inc: 1 },
    double: 6,
  };

  test.each([
    ['JSON', 'application/json', JSON.stringify(CHANGES)],
    ['a merge patch', 'application/merge-patch+json', JSON.stringify(CHANGES)],
    ['CBOR', 'application/cbor', encodeCbor(CHANGES)],
    ['MessagePack', 'application/msgpack', encodePack(CHANGES)],
  ])('change the record in %s', async (_, type, body) => {
    await server.put('Item/o', WHOLE);
    const { status, record } = await send('PATCH', 'Item/o', type, body);
    expect([status, record]).toEqual([200, expect.objectContaining(AFTER)]);
    expect((await server.ask('GET', 'Item/o')).record).toMatchObject(AFTER);
  });

  test('are applied over WebSocket, to many records, by flows, routes and hooks', async () => {
    for (const id of ['ws', 'm1', 'm2', 'code', 'flow']) await server.put(`Item/${id}`, { title: 'many', stock: 5 });
    using client = await WsClient.subscribe(server.wsUrl('Item'));
    client.send({ message_type: 'Patch', id: 'ws', data: { stock: { $inc: 1 } }, ref: 1 });
    expect(await client.controls.next((frame) => frame.ref === 1)).toMatchObject({ type: 'ack' });
    expect(await client.changes.next(({ id }) => id === 'ws')).toMatchObject({ data: { stock: 6 } });
    const many = await server.ask('PATCH', 'Item?id=in=m1,m2', { json: { stock: { $inc: 2 }, tags: { $push: 'x' } } });
    expect(many.record).toEqual({ matched: 2, changed: 2 });
    expect(await client.changes.next(({ id }) => id === 'm2')).toMatchObject({ data: { stock: 7, tags: ['x'] } });
    expect((await server.ask('POST', 'api/change', { json: { stock: { $inc: 3 } } })).record).toMatchObject({
      stock: 8,
    });
    await server.ask('POST', 'Trigger', { json: { amount: 4, title: 'taken' } });
    expect(await client.changes.next(({ id }) => id === 'flow')).toMatchObject({ data: { stock: 9 } });
    await server.put('Hooked/h', { title: 'a', stock: 2, sold: 0 });
    expect((await server.ask('PATCH', 'Hooked/h', { json: { title: 'b' } })).record).toMatchObject({
      title: 'b',
      sold: 1,
    });
  });

  test.each<[unknown, string, string]>([
    [{ stock: { $add: 1 } }, 'stock', 'has no operator "$add"; there are $inc, $max, $min, $unset'],
    [{ stock: { $incr: 1 } }, 'stock', 'has no operator "$incr"; did you mean "$inc"?'],
    [{ stock: { $inc: 1, $max: 2 } }, 'stock', 'takes one operator in a request'],
    [{ title: { $inc: 1 } }, 'title', '$inc does not work on String; send a value'],
    [{ price: { $push: 1 } }, 'price', '$push does not work on Float; there are $inc, $max, $min, $unset'],
    [{ tags: { $inc: 1 } }, 'tags', '$inc does not work on [String!]; there are $addToSet, $remove, $push, $unset'],
    [{ needed: { $unset: true } }, 'needed', 'is required and cannot be unset'],
    [{ stock: { $unset: false } }, 'stock.$unset', 'must be true'],
    [{ stock: { $inc: '1.5' } }, 'stock.$inc', 'must be an Int: an integer within ±(2^53−1)'],
    [{ stock: { $inc: null } }, 'stock.$inc', 'must not be null'],
    [{ tags: { $push: [null] } }, 'tags.$push[0]', 'must not be null'],
    [{ id: { $max: 'z' } }, 'id', 'must be a string'],
    [{ double: { $inc: 1 } }, 'double', 'is computed from other fields; leave it out'],
    [{ stock: { $inc: -6 } }, 'stock', 'must be at least 0'],
    [
      { stock: { $inc: Number.MAX_SAFE_INTEGER } },
      'stock',
      'would be 9007199254740996, which is no Int: an integer within ±(2^53−1)',
    ],
    [
      { big: { $inc: '9223372036854775807' } },
      'big',
      'would be 9232379236109516800, which is no Long: an integer of 64 bits',
    ],
    [{ tags: { $push: ['b', 'c', 'd'] } }, 'tags', 'must have at most 3 items'],
    [{ sold: { $inc: 6 } }, 'sold', 'must not be more than there are'],
  ])('%j is refused', async (body, field, message) => {
    await server.put('Item/e', WHOLE);
    const { status, record: json } = await patch('e', body);
    expect([status, listed(json.errors)[0]]).toEqual([400, [field, message]]);
    expect((await server.ask('GET', 'Item/e')).record).toMatchObject({ stock: 5, tags: ['a'], sold: 0 });
  });

  test('NaN and infinity in binary are refused', async () => {
    await server.put('Item/n', WHOLE);
    for (const amount of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { status } = await send('PATCH', 'Item/n', 'application/msgpack', encodePack({ price: { $inc: amount } }));
      expect(status).toBe(400);
    }
  });

  test('POST and PUT take values only', async () => {
    expect((await server.ask('PUT', 'Item/p', { json: { title: 'a', stock: { $inc: 1 } } })).status).toBe(400);
    expect((await server.ask('POST', 'Item', { json: { title: 'a', stock: { $inc: 1 } } })).status).toBe(400);
  });

  test('a request that is repeated with its key is done once', async () => {
    await server.put('Item/i', WHOLE);
    const once = () => patch('i', { sold: { $inc: 1 } }, { 'idempotency-key': 'only-once' });
    for (let time = 0; time < 3; time++) expect((await once()).record).toMatchObject({ sold: 1 });
    expect((await patch('i', { sold: { $inc: 2 } }, { 'idempotency-key': 'only-once' })).status).toBe(422);
  });

  test('rights on fields hold', async () => {
    await server.put('Kept/k', { open: 1 });
    expect((await server.ask('PATCH', 'Kept/k', { json: { n: { $inc: 1 } } })).status).toBe(403);
    expect((await server.ask('PATCH', 'Kept/k', { json: { open: { $inc: 1 } } })).record).toMatchObject({ open: 2 });
  });
});

test('a start over records that break a new rule says which, and refuses', async () => {
  await using first = await startServer({ schema: 'type T @table @export { id: ID! @primaryKey a: String }' });
  await first.put('T/bad', { a: 'xyz' });
  await first.stop();
  const { writeFile } = await import('node:fs/promises');
  const { join } = await import('node:path');
  await writeFile(
    join(first.dir, 'schema.graphql'),
    'type T @table @export { id: ID! @primaryKey a: String @constraint(maxLength: 2) }',
  );
  const { code, stderr } = await runToExit(['start', first.dir]);
  expect(code).not.toBe(0);
  expect(stderr).toContain('1 record breaks it ("bad": "xyz" must have at most 2 characters)');
});
