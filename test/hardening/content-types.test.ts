import { encode as encodePack } from '@msgpack/msgpack';
import { encode as encodeCbor } from 'cborg';
import { describe, expect, test } from 'vitest';
import { BinaryWs } from '../support/binary-ws.ts';
import { expectProblem, FORBIDDEN_WORDS, server, serveThings, slowestOther } from './http-helpers.ts';

serveThings();

const MIB = 1024 * 1024 - 100;
const CBOR = 'application/cbor';
const PACK = 'application/msgpack';
const CSV = 'text/csv';
const NDJSON = 'application/x-ndjson';

const send = (type: string, body: string | Uint8Array, method = 'POST', path = 'Thing') =>
  server.ask(method, path, { body: Buffer.from(body as string), headers: { 'content-type': type } });

/** `head` once, then `item` as often as a body has room for it. */
function repeated(head: string, item: string): Buffer {
  const unit = Buffer.from(item, 'hex');
  return Buffer.concat([Buffer.from(head, 'hex'), Buffer.alloc(MIB - (MIB % unit.length), unit)]);
}

describe('a hostile body', () => {
  test.each<[what: string, type: string, make: () => string | Uint8Array, code: string]>([
    ['nested lists', CBOR, () => repeated('', '81'), 'TOO_DEEP'],
    ['nested lists that claim to be long', CBOR, () => repeated('', '9a00010000'), 'TOO_DEEP'],
    ['nested maps', CBOR, () => repeated('', 'a16161'), 'TOO_DEEP'],
    ['a list of 2^32 items', CBOR, () => Buffer.from('9affffffff', 'hex'), 'INVALID_CONTENT'],
    ['a text of 2^40 bytes', CBOR, () => Buffer.from('7b0000010000000000', 'hex'), 'INVALID_CONTENT'],
    ['a map of a million keys', CBOR, () => repeated('ba00070000', '6100'), 'TOO_WIDE'],
    ['endless tags', CBOR, () => repeated('', 'c1'), 'INVALID_CONTENT'],
    ['endless indefinite lists', CBOR, () => repeated('', '9f'), 'INVALID_CONTENT'],
    ['a million texts', CBOR, () => repeated('9a000fff00', '60').subarray(0, 0xfff05), 'BAD_REQUEST'],
    ['a million empty maps', CBOR, () => repeated('9a000fff00', 'a0').subarray(0, 0xfff05), 'BAD_REQUEST'],
    ['zeros', CBOR, () => new Uint8Array(MIB), 'INVALID_CONTENT'],
    ['nested lists', PACK, () => repeated('', '91'), 'TOO_DEEP'],
    ['nested lists that claim to be long', PACK, () => repeated('', 'dd00010000'), 'TOO_DEEP'],
    ['nested maps', PACK, () => repeated('', '81a161'), 'TOO_DEEP'],
    ['a list of 2^32 items', PACK, () => Buffer.from('ddffffffff', 'hex'), 'INVALID_CONTENT'],
    ['a text of 2^32 bytes', PACK, () => Buffer.from('dbffffffff', 'hex'), 'INVALID_CONTENT'],
    ['a map of a million keys', PACK, () => repeated('df00070000', 'a100'), 'TOO_WIDE'],
    ['endless extensions', PACK, () => repeated('', 'd4'), 'INVALID_CONTENT'],
    ['a million texts', PACK, () => repeated('dd000fff00', 'a0').subarray(0, 0xfff05), 'BAD_REQUEST'],
    ['zeros', PACK, () => new Uint8Array(MIB), 'INVALID_CONTENT'],
    ['commas', CSV, () => ','.repeat(MIB), 'TOO_WIDE'],
    ['commas below a header', CSV, () => `id\n${','.repeat(MIB - 10)}`, 'INVALID_CONTENT'],
    ['quotes', CSV, () => `id\n"${'"'.repeat(MIB - 11)}`, 'VALIDATION_ERROR'],
    ['empty lines', CSV, () => '\n'.repeat(MIB), 'INVALID_CONTENT'],
    ['records', CSV, () => `id\n${'a\n'.repeat(MIB / 2 - 10)}`, 'BAD_REQUEST'],
    ['unknown columns', CSV, () => `${Array.from({ length: 1000 }, (_, n) => `inne${n}`)}\n`, 'VALIDATION_ERROR'],
    ['an open quote', CSV, () => `id\n"${'x\n'.repeat(MIB / 2 - 10)}`, 'INVALID_CONTENT'],
    ['bytes that are not UTF-8', CSV, () => new Uint8Array(MIB).fill(0xff), 'INVALID_CONTENT'],
    ['NUL', CSV, () => 'id\na\0\n', 'VALIDATION_ERROR'],
    ['deep JSON in a cell', CSV, () => `id,j\na,"${'['.repeat(5000)}${']'.repeat(5000)}"\n`, 'TOO_DEEP'],
    ['open braces', NDJSON, () => '{'.repeat(MIB), 'INVALID_JSON'],
    ['records', NDJSON, () => '{}\n'.repeat(MIB / 3), 'BAD_REQUEST'],
    ['empty lines and a mistake', NDJSON, () => `${'\n'.repeat(MIB - 2)}{`, 'INVALID_JSON'],
    ['bytes that are not UTF-8', NDJSON, () => new Uint8Array(MIB).fill(0xc3), 'INVALID_CONTENT'],
    ['deep values', NDJSON, () => `{"id":"a","j":${'['.repeat(5000)}${']'.repeat(5000)}}\n`, 'TOO_DEEP'],
  ])('of %s as %s is refused, and no other request waits', async (_what, type, make, code) => {
    const answering = send(type, make());
    const slowest = await slowestOther(answering);
    const answer = await answering;
    expect([answer.status, answer.record.code]).toEqual([400, code]);
    expect(answer.text).not.toMatch(FORBIDDEN_WORDS);
    expect(answer.text.length).toBeLessThan(256 * 1024);
    expect(slowest).toBeLessThan(2000);
  });

  test.each([CBOR, PACK, CSV, NDJSON])(
    'as %s has the same largest size as JSON, and no Content-Encoding',
    async (type) => {
      expectProblem(await send(type, new Uint8Array(1024 * 1024 + 1)), 413, 'BODY_TOO_LARGE');
      const headers = { 'content-type': type, 'content-encoding': 'gzip' };
      expectProblem(await server.ask('POST', 'Thing', { body: 'x', headers }), 415, 'UNSUPPORTED_MEDIA_TYPE');
      expect([400, 201]).toContain((await send(type, '')).status);
    },
  );

  test('names of the prototype are nothing but names', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    for (const name of names) {
      const text = `{"id":"proto","${name}":{"polluted":1}}`;
      const value: unknown = JSON.parse(text);
      for (const [type, body] of [
        [CBOR, Buffer.from(encodeCbor(value))],
        [PACK, Buffer.from(encodePack(value))],
        [NDJSON, text],
        [CSV, `id,${name}\na,x\n`],
      ] as const) {
        expect([name, type, (await send(type, body)).status]).toEqual([name, type, 400]);
      }
    }
    const refused = await send(NDJSON, '{"id":"inside","j":{"__proto__":{"polluted":1}}}');
    expect([refused.status, refused.record.code]).toEqual([400, 'VALIDATION_ERROR']);
    expect((await send(NDJSON, '{"id":"inside","j":{"constructor":{"prototype":{"polluted":1}}}}')).status).toBe(201);
    for (const accept of [CBOR, PACK, CSV, NDJSON]) {
      const { status, text } = await server.ask('GET', 'Thing/inside', { headers: { accept } });
      expect([status, text.includes('polluted')]).toEqual([200, true]);
    }
    expect((await server.ask('GET', 'Thing/inside')).text).toContain(
      '"j":{"constructor":{"prototype":{"polluted":1}}}',
    );
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('hostile binary messages', () => {
  test.each([
    ['tablecast.cbor', ['81'.repeat(5000), '9affffffff', '', 'c0', '9f', 'bf', '5f', 'ff', '7bffffffffffffffff', 'f7']],
    ['tablecast.msgpack', ['91'.repeat(5000), 'ddffffffff', '', 'c1', 'd4', 'c7', 'dbffffffff', 'df', 'c4']],
  ] as const)('of %s are errors for their sender, who stays', async (name, messages) => {
    using socket = await BinaryWs.open(server.wsUrl('Thing'), name);
    await socket.next({ type: 'ready' });
    for (const hex of messages) {
      socket.socket.send(Buffer.from(hex, 'hex'));
      const { code } = await socket.next({ type: 'error' });
      expect([hex.slice(0, 20), code]).toEqual([
        hex.slice(0, 20),
        expect.stringMatching(/^(?:INVALID_CONTENT|TOO_DEEP)$/),
      ]);
    }
    socket.send({ message_type: 'Update', id: name, data: { s: 'alive' }, ref: 1 });
    await socket.next({ type: 'ack', ref: 1 });
  });
});

describe('hostile Accept headers', () => {
  test.each([
    ['very many types', 'a/b,'.repeat(1900)],
    ['very many parameters', `text/csv${';a=b'.repeat(1900)}`],
    ['an open quote', `text/csv;a="${'x'.repeat(7000)}`],
    ['spaces', `text/csv${' '.repeat(7000)};q=1`],
    ['odd weights', 'text/csv;q=9e99, application/json;q=-1, */*;q=NaN'],
    ['prototype names', '__proto__/constructor, toString/*;q=0.5'],
  ])('with %s are answered at once', async (_what, accept) => {
    const answering = server.ask('GET', 'Thing', { headers: { accept, 'accept-encoding': accept.slice(0, 1000) } });
    expect([200, 406]).toContain((await answering).status);
  });

  test('different ones without end do not fill the memory', async () => {
    for (let n = 0; n < 1000; n++) {
      const accept = `application/json;q=0.${String(n).padStart(3, '0')}1, text/x${n}`;
      expect([200, 406]).toContain((await server.ask('HEAD', 'Thing', { headers: { accept } })).status);
    }
  });
});
