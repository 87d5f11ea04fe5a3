import { afterAll, beforeAll, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';

const SCHEMA = `type Address { street: String city: String! geo: Geo }
type Geo { lat: Float lon: Float }
type Person @table @export {
  id: ID! @primaryKey
  name: String!
  age: Int
  address: Address
  extra: JSON
  secret: JSON @hidden
}`;
const MERGE = { 'content-type': 'application/merge-patch+json' };

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA });
});
afterAll(() => server[Symbol.asyncDispose]());

const ADDRESS = { street: 'A', city: 'Bern', geo: { lat: 1, lon: 2 } };
const WHOLE = { name: 'Ada', age: 36, address: ADDRESS, extra: { a: 1, b: { c: 2, d: [1, null] } } };

async function patch(id: string, body: object, headers: object = {}) {
  return server.ask('PATCH', `Person/${id}`, { json: body, headers: { ...MERGE, ...headers } });
}

test.each([
  ['a member replaces a field', { age: 37 }, { age: 37 }],
  ['null empties a field', { age: null }, { age: null }],
  ['an object is merged', { address: { city: 'Basel' } }, { address: { ...ADDRESS, city: 'Basel' } }],
  [
    'to any depth',
    { address: { geo: { lat: 9 }, street: null } },
    { address: { street: null, city: 'Bern', geo: { lat: 9, lon: 2 } } },
  ],
  ['null removes a member', { extra: { a: null, b: { c: null } } }, { extra: { b: { d: [1, null] } } }],
  ['a list is replaced', { extra: { b: { d: [{ x: null }] } } }, { extra: { a: 1, b: { c: 2, d: [{ x: null }] } } }],
  [
    'an object takes the place of what is none',
    { extra: { a: { x: 1, y: null } } },
    { extra: { ...WHOLE.extra, a: { x: 1 } } },
  ],
])('%s: %j', async (_what, body, expected) => {
  await server.put('Person/a', WHOLE);
  const answer = await patch('a', body);
  expect([answer.status, answer.record]).toEqual([200, { id: 'a', ...WHOLE, ...expected }]);
});

test('a plain PATCH replaces an object whole', async () => {
  await server.put('Person/a', WHOLE);
  const { record } = await server.ask('PATCH', 'Person/a', { json: { address: { city: 'Basel' } } });
  expect(record.address).toEqual({ street: null, city: 'Basel', geo: null });
});

test('what is not right is refused as ever', async () => {
  await server.put('Person/a', WHOLE);
  for (const [body, status, field] of [
    [{ name: null }, 400, 'name'],
    [{ address: { city: null } }, 400, 'address.city'],
    [{ address: { town: 'x' } }, 400, 'address.town'],
    [{ secret: { a: 1 } }, 400, 'secret'],
  ] as const) {
    const answer = await patch('a', body);
    expect([answer.status, answer.record.errors]).toEqual([status, [expect.objectContaining({ field })]]);
  }
  expect((await patch('none', { extra: { a: 1 } })).status).toBe(404);
  expect((await patch('a', { extra: { a: 2 } }, { 'if-match': '"1"' })).status).toBe(412);
  expect((await patch('a', { extra: { a: 2 } }, { 'if-match': '*' })).status).toBe(200);
  const { headers } = await server.ask('GET', 'Person/a');
  expect((await patch('a', { extra: { a: 3 } }, { 'if-match': headers.get('etag') ?? '' })).status).toBe(200);
});

test('many at once lose nothing of each other', async () => {
  await server.put('Person/many', { name: 'Many', extra: {} });
  const all = await Promise.all([1, 2, 3, 4, 5].map((n) => patch('many', { extra: { [`k${n}`]: n } })));
  expect(all.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  const { record } = await server.ask('GET', 'Person/many');
  expect(record.extra).toEqual({ k1: 1, k2: 2, k3: 3, k4: 4, k5: 5 });
});

test('sent again with its Idempotency-Key it is answered as the first time', async () => {
  await server.put('Person/once', { name: 'Once', extra: { a: 1 } });
  const headers = { 'idempotency-key': 'merge-1' };
  const first = await patch('once', { extra: { b: 2 } }, headers);
  await patch('once', { extra: { b: null } });
  const again = await patch('once', { extra: { b: 2 } }, headers);
  expect([again.status, again.record, again.headers.get('idempotency-replayed')]).toEqual([200, first.record, 'true']);
  expect((await server.ask('GET', 'Person/once')).record.extra).toEqual({ a: 1 });
});

test('many records by filter take it without objects; other methods do not take it', async () => {
  await server.put('Person/a', WHOLE);
  const age = await server.ask('PATCH', 'Person?id==a', { json: { age: 50 }, headers: MERGE });
  expect([age.status, age.record.changed]).toEqual([200, 1]);
  const deep = await server.ask('PATCH', 'Person?id==a', { json: { extra: { a: 5 } }, headers: MERGE });
  expect([deep.status, deep.record.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
  for (const [method, path] of [
    ['POST', 'Person'],
    ['PUT', 'Person/a'],
  ] as const) {
    const answer = await server.ask(method, path, { json: WHOLE, headers: MERGE });
    expect([method, answer.status]).toEqual([method, 415]);
  }
});

test('a caller who may not change a record learns nothing of it', async () => {
  await using guarded = await startServer({
    schema: `type Note @table @export @access(read: "ownerId==$auth.sub", update: "ownerId==$auth.sub", create: "authenticated") {
      id: ID! @primaryKey
      ownerId: ID!
      extra: JSON
    }`,
    config: `${BASE_CONFIG}auth: {jwt: {secret: "${SECRET}"}}\n`,
  });
  const as = (sub: string) => ({ authorization: `Bearer ${tokenOf(sub)}` });
  await guarded.ask('POST', 'Note', { json: { id: 'n', ownerId: 'ada', extra: { a: 1 } }, headers: as('ada') });
  const json = { extra: { b: 2 } };
  const other = await guarded.ask('PATCH', 'Note/n', { json, headers: { ...as('bo'), ...MERGE } });
  const plain = await guarded.ask('PATCH', 'Note/n', { json, headers: as('bo') });
  expect([other.status, other.text]).toEqual([plain.status, plain.text]);
  const own = await guarded.ask('PATCH', 'Note/n', { json, headers: { ...as('ada'), ...MERGE } });
  expect(own.record.extra).toEqual({ a: 1, b: 2 });
});
