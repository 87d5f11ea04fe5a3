import { encode as encodePack } from '@msgpack/msgpack';
import { encode as encodeCbor } from 'cborg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import { BinaryWs } from '../support/binary-ws.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Part { f: Float  i: Int  j: JSON }
type T @table @export { id: ID! @primaryKey  f: Float  fs: [Float]  i: Int  is: [Int]  l: Long  j: JSON  part: Part }
type Own @table @export { id: Int! @primaryKey  f: Float }
`;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const send = (body: string | Uint8Array, type = 'application/json', path = 'T', method = 'POST') =>
  server.ask(method, path, { body: Buffer.from(body as string), headers: { 'content-type': type } });

const DIGITS = [
  '1152921504606846976',
  '1152921504606846977',
  '1152921504606847000',
  '12345678901234567',
  '123456789012345678901234567890',
  '-9007199254740993',
  '9007199254740990.9',
  '1.00000000000000001',
  '0.12345678901234567890123',
  '1.152921504606847e18',
] as const;

describe('a Float is what a double holds, whatever its digits', () => {
  test.each(DIGITS)('%s in every place and content type', async (digits) => {
    const value = Number(digits);
    const record = `"f":${digits},"fs":[0,${digits}],"part":{"f":${digits}}`;
    const stored = { f: value, fs: [0, value], part: { f: value, i: null, j: null } };
    await server.ask('DELETE', 'T?all=true');
    expect((await send(`{"id":"json",${record}}`)).status).toBe(201);
    expect((await send(`[{"id":"list",${record}}]`)).status).toBe(201);
    expect((await send(`{"id":"line",${record}}\n`, 'application/x-ndjson')).status).toBe(201);
    const cells = `id,f,fs,part\ncsv,${digits},"[0,${digits}]","{""f"":${digits}}"\n`;
    expect((await send(cells, 'text/csv')).status).toBe(201);
    expect((await send(`{"id":"text","f":"${digits}","fs":[0,"${digits}"],"part":{"f":"${digits}"}}`)).status).toBe(
      201,
    );
    using ws = await WsClient.subscribe(server.wsUrl('T'));
    ws.send(`{"id":"ws",${record}}`);
    await ws.next();
    const records = (await server.ask('GET', `T?f=${digits}`)).records;
    expect(records.map(({ id }) => id)).toEqual(['csv', 'json', 'line', 'list', 'text', 'ws']);
    for (const found of records) expect(found).toMatchObject(stored);
  });

  test('an integer of 64 bits in CBOR and MessagePack', async () => {
    const value = { f: 2n ** 60n + 1n, fs: [5n, 2n ** 63n] };
    const expected = { f: 2 ** 60, fs: [5, 2 ** 63] };
    expect((await send(encodeCbor({ id: 'cbor', ...value }), 'application/cbor')).record).toMatchObject(expected);
    const pack = encodePack({ id: 'pack', ...value }, { useBigInt64: true });
    expect((await send(pack, 'application/msgpack')).record).toMatchObject(expected);
    using client = await BinaryWs.open(server.wsUrl('T'), 'tablecast.cbor');
    client.send({ message_type: 'Update', id: 'frame', data: value, ref: 1 });
    expect(await client.next({ ref: 1 })).toMatchObject({ type: 'ack' });
    expect((await server.ask('GET', 'T/frame')).record).toMatchObject(expected);
  });
});

describe('no digit of an integer is lost in silence', () => {
  const INT = 'must be an Int: an integer within ±(2^53−1)';
  const LONG = 'must be a Long: an integer of 64 bits; beyond ±(2^53−1) send it as a string of digits';
  const JSON_NUMBER = 'cannot be held exactly by a double; send it as a string of digits';

  test.each([
    ['{"i":9007199254740993}', 'i', INT],
    ['{"i":1152921504606846976}', 'i', INT],
    ['{"i":9007199254740990.9}', 'i', INT],
    ['{"is":[1,1.00000000000000001]}', 'is[1]', INT],
    ['{"part":{"i":1.00000000000000001}}', 'part.i', INT],
    ['{"l":9007199254740993}', 'l', LONG],
    ['{"l":1.00000000000000001}', 'l', LONG],
    ['{"j":9007199254740993}', 'j', JSON_NUMBER],
    ['{"j":{"a":[{"b":12345678901234567890}]}}', 'j', JSON_NUMBER],
    ['{"part":{"j":[9007199254740993]}}', 'part.j', JSON_NUMBER],
  ])('%s names the type', async (body, field, message) => {
    const { status, record } = await send(body);
    expect([status, record.errors]).toEqual([400, [{ field, message: expect.stringContaining(message) }]]);
    const line = await send(body, 'application/x-ndjson');
    expect(line.record.errors).toEqual([{ field: `line 1, ${field}`, message: expect.stringContaining(message) }]);
    using ws = await WsClient.subscribe(server.wsUrl('T'));
    ws.send(`{"message_type":"Update","id":"w","data":${body},"ref":1}`);
    const error = await ws.controls.next(({ ref }) => ref === 1);
    expect(error).toMatchObject({ type: 'error', code: 'VALIDATION_ERROR' });
  });

  test.each(['1152921504606846976', '1152921504606847000', '1e300', '0.1234567890123456789'])(
    'a JSON field holds %s, which a double gives back',
    async (digits) => {
      const { status, record } = await send(`{"j":{"n":${digits}}}`);
      expect([status, record.j]).toEqual([201, { n: Number(digits) }]);
    },
  );

  test('keys, refs and published data are never rounded', async () => {
    expect((await send('{"id":9007199254740993}', 'application/json', 'Own')).status).toBe(400);
    expect((await send('{"id":1.00000000000000001}', 'application/json', 'Own')).status).toBe(400);
    using ws = await WsClient.subscribe(server.wsUrl('T'));
    ws.send('{"message_type":"Update","id":"r","data":{},"ref":9007199254740993}');
    expect(await ws.controls.next(({ type }) => type === 'error')).toMatchObject({ code: 'INVALID_MESSAGE' });
    expect((await server.ask('GET', 'T/r')).status).toBe(404);
  });
});
