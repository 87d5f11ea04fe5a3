import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compress } from '../../../src/server/content/compress.ts';
import { seqOf, tagFor, tagIn } from '../../../src/server/content/content.ts';
import { chooseCoding, chooseFormat } from '../../../src/server/content/negotiate.ts';

describe('Accept', () => {
  test.each([
    [undefined, 'application/json; charset=utf-8'],
    ['', 'application/json; charset=utf-8'],
    ['*/*', 'application/json; charset=utf-8'],
    ['application/*', 'application/json; charset=utf-8'],
    ['application/json; charset=utf-8', 'application/json; charset=utf-8'],
    ['Application/JSON', 'application/json; charset=utf-8'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/json; charset=utf-8'],
    ['text/csv', 'text/csv; charset=utf-8; header=present'],
    ['text/*', 'text/csv; charset=utf-8; header=present'],
    ['text/csv;header=absent', 'text/csv; charset=utf-8; header=present'],
    ['application/x-ndjson', 'application/x-ndjson; charset=utf-8'],
    ['application/jsonl', 'application/jsonl; charset=utf-8'],
    ['application/cbor', 'application/cbor'],
    ['application/msgpack', 'application/msgpack'],
    ['application/x-msgpack', 'application/x-msgpack'],
    ['application/vnd.msgpack', 'application/vnd.msgpack'],
    ['application/json;q=0.5, application/cbor', 'application/cbor'],
    ['application/cbor;q=0.4, text/csv;q=0.5', 'text/csv; charset=utf-8; header=present'],
    ['application/json;q=0, */*', 'application/x-ndjson; charset=utf-8'],
    ['text/html, application/cbor;q=0.1', 'application/cbor'],
    [
      'application/json; q=0.5 , application/cbor ; q = 0.4, text/csv ;  q=0.6',
      'text/csv; charset=utf-8; header=present',
    ],
    ['text/csv; a=b; q=0.1, application/cbor; q=0.2; c=d', 'application/cbor'],
    ['application/json; Q=0.1, text/csv', 'text/csv; charset=utf-8; header=present'],
  ])('%s is answered with %s', (accept, contentType) => {
    expect(chooseFormat(accept).contentType).toBe(contentType);
  });

  test.each(['text/html', 'application/xml', 'image/*', '*/*;q=0', 'application/json;q=0', 'nonsense', ',,,', 'a/b;'])(
    '%s is refused, with what there is',
    (accept) => {
      expect(() => chooseFormat(accept)).toThrow(
        expect.objectContaining({
          code: 'NOT_ACCEPTABLE',
          message:
            'This is available as application/json, application/x-ndjson, text/csv, application/cbor, application/vnd.msgpack.',
        }),
      );
    },
  );

  test('of the longest header is negotiated fast', () => {
    const before = process.cpuUsage();
    expect(() => chooseFormat('a/b;x="'.repeat(2300))).toThrow();
    expect(() => chooseFormat('a/b;'.repeat(4000))).toThrow();
    expect(() => chooseFormat(`a/b${' '.repeat(16_000)};`)).toThrow();
    expect(() => chooseFormat('a/b,'.repeat(4000))).toThrow();
    const { user } = process.cpuUsage(before);
    expect(user).toBeLessThan(500_000);
  });
});

describe('Accept-Encoding', () => {
  test.each([
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['zstd', undefined],
    ['gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['gzip, deflate', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'],
    ['br;q=0.5, gzip', 'gzip'],
    ['deflate', 'deflate'],
    ['*', 'br'],
    ['gzip;q=0', undefined],
    ['gzip;q=0, *;q=0.1', 'br'],
  ])('%s is answered in %s', (header, coding) => {
    expect(chooseCoding(header)).toBe(coding);
  });
});

test.each([
  ['br', brotliDecompressSync],
  ['gzip', gunzipSync],
  ['deflate', inflateSync],
] as const)('%s can be read again, small or large', async (coding, read) => {
  for (const size of [0, 1, 2000, 200_000]) {
    const bytes = Buffer.from('abcdefgh'.repeat(size / 8 + 1).slice(0, size));
    const small = await compress(bytes, coding);
    expect(read(small).equals(bytes)).toBe(true);
    if (size > 1000) expect(small.length).toBeLessThan(size / 4);
  }
});

test('a tag names the format and coding of the record and contains its seq', () => {
  expect([tagFor('"5"', 'json'), tagFor('"5"', 'csv'), tagFor('W/"5-x"', 'cbor')]).toEqual([
    '"5"',
    '"5-csv"',
    'W/"5-x-cbor"',
  ]);
  expect([tagIn('"5"', 'br'), tagIn('"5-csv"', 'gzip'), tagIn('W/"5"', 'gzip')]).toEqual([
    '"5-br"',
    '"5-csv-gzip"',
    'W/"5"',
  ]);
  expect(
    ['"5"', '"5-csv"', '"5-gzip"', ' "5-msgpack-br" ', '"5-json"', 'W/"5"', '"a"', '"5-br-csv"'].map(seqOf),
  ).toEqual([5, 5, 5, 5, undefined, undefined, undefined, undefined]);
});
