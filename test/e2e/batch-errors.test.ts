import { encode as encodePack } from '@msgpack/msgpack';
import { encode as encodeCbor } from 'cborg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';

const SCHEMA = `
type T @table @export { id: ID! @primaryKey  s: String @unique  n: Int  note: String }
type Pair @table @export @compositeIndex(fields: ["room", "place"], unique: true) { id: ID! @primaryKey  room: String  place: Int }
type Blind @table @export(public: [create, update]) { id: ID! @primaryKey  s: String @unique }
type Hooked @table @export { id: ID! @primaryKey  s: String @unique }
`;
const HOOKS = `export const tables = {
  Hooked: {
    beforeCreate({ record }) {
      if (record.s === 'rude') throw new Error('That is rude.');
      return record;
    },
  },
};
`;
const TAKEN = 'is taken by another record';

let server: TestServer;
beforeAll(async () => {
  const config = `${BASE_CONFIG}hooks: hooks.mjs\n`;
  server = await startServer({ schema: SCHEMA, config, files: { 'hooks.mjs': HOOKS } });
  await server.put('T/old', { s: 'old', n: 1 });
  await server.put('Pair/old', { room: 'r', place: 1 });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const send = (type: string, body: string | Uint8Array, path = 'T', method = 'POST') =>
  server.ask(method, path, { body: Buffer.from(body as string), headers: { 'content-type': type } });
const count = async (path = 'T') => (await server.ask('GET', path)).records.length;

describe('a conflict of one record among several names it', () => {
  const SECOND = [{ id: 'n1' }, { id: 'n2', s: 'q' }, { id: 'n3', s: 'q' }];
  const KNOWN = [{ id: 'n1' }, { id: 'old' }];

  test.each<[type: string, body: string | Uint8Array, field: string]>([
    ['application/json', JSON.stringify(SECOND), '[2].s'],
    ['application/cbor', encodeCbor(SECOND), '[2].s'],
    ['application/msgpack', encodePack(SECOND), '[2].s'],
    ['application/x-ndjson', `\n${SECOND.map((record) => JSON.stringify(record)).join('\n')}\n`, 'line 4, s'],
    ['text/csv', 'id,s\nn1,\nn2,q\nn3,q\n', 'row 4, column s'],
    ['text/csv', 'id,s\nn1,\nn2,old\n', 'row 3, column s'],
    ['application/json', '[{"s":"old"}]', '[0].s'],
    ['application/json', JSON.stringify(KNOWN), '[1].id'],
    ['application/x-ndjson', KNOWN.map((record) => JSON.stringify(record)).join('\n'), 'line 2, id'],
    ['text/csv', 'id\nn1\nold\n', 'row 3, column id'],
  ])('as %s: %s', async (type, body, field) => {
    const before = await count();
    const { status, record } = await send(type, body);
    expect([status, record.code, record.detail]).toEqual([409, 'CONFLICT', `${field}: ${TAKEN}.`]);
    expect(record.errors).toEqual([{ field, message: TAKEN }]);
    expect(await count()).toBe(before);
  });

  test('of two fields together names both, and the record once', async () => {
    const { status, record } = await send('text/csv', 'id,room,place\na,r,2\nb,r,1\n', 'Pair');
    const message = 'room, place together are taken by another record';
    expect([status, record.detail]).toEqual([409, `row 3: ${message}.`]);
    expect(record.errors).toEqual([
      { field: 'row 3, column room', message },
      { field: 'row 3, column place', message },
    ]);
  });

  test('of one record that was sent alone has its field only', async () => {
    const { record } = await send('application/json', '{"id":"n1","s":"old"}');
    expect(record.errors).toEqual([{ field: 's', message: TAKEN }]);
  });

  test('of a write by filter names the key of the record', async () => {
    await server.put('T/p1', { n: 7, note: 'a' });
    await server.put('T/p2', { n: 7, note: 'b' });
    const { status, record } = await server.ask('PATCH', 'T?n=7', { json: { s: 'both', note: 'c' } });
    const field = 'record "p2", field s';
    expect([status, record.detail]).toEqual([409, `${field}: ${TAKEN}.`]);
    expect(record.errors).toEqual([{ field, message: TAKEN }]);
    expect((await server.ask('GET', 'T/p1')).record).toMatchObject({ s: null, note: 'a' });
  });

  test('of a write by filter names no key to a caller who may not read it', async () => {
    await send('application/json', '[{"id":"b1"},{"id":"b2"}]', 'Blind');
    const { status, record } = await server.ask('PATCH', 'Blind?all=true', { json: { s: 'both' } });
    expect([status, record.detail]).toEqual([409, `s: ${TAKEN}.`]);
  });

  test('with hooks, too, and so does what a hook refuses', async () => {
    const conflict = await send('text/csv', 'id,s\na,x\nb,x\n', 'Hooked');
    expect(conflict.record.errors).toEqual([{ field: 'row 3, column s', message: TAKEN }]);
    const unknown = await send('text/csv', 'id,t\na,x\n', 'Hooked');
    expect(unknown.record.errors).toMatchObject([{ field: 'row 1, column t' }]);
    const refused = await send('application/x-ndjson', '{"id":"a"}\n{"id":"b","s":"rude"}\n', 'Hooked');
    expect([refused.status, refused.record.detail]).toEqual([403, 'line 2: That is rude.']);
    const inList = await send('application/json', '[{"id":"a"},{"id":"b","s":"rude"}]', 'Hooked');
    expect(inList.record.detail).toBe('[1]: That is rude.');
    expect(await count('Hooked')).toBe(0);
  });

  test('that has an id which no record can have names it', async () => {
    const { status, record } = await send('application/json', '[{"id":"a"},{"id":".."}]');
    expect([status, record.detail]).toEqual([400, expect.stringMatching(/^\[1\]/)]);
  });
});
