import { decode as decodePack, Encoder } from '@msgpack/msgpack';
import { decode as decodeCbor, encode as encodeCbor } from 'cborg';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { roundedIn } from '../../../src/resources/body/json.ts';
import { loadBinary } from '../../../src/server/content/binary.ts';

const LIMITS = { jsonDepth: 64, jsonKeys: 1000 };
const FORMATS = ['cbor', 'msgpack'] as const;
const codecs = { cbor: await loadBinary('cbor'), msgpack: await loadBinary('msgpack') };

/** Values that a record can hold: those of JSON, without NUL characters and lone surrogates. */
const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((it) => !it.includes('\0') && it.isWellFormed());
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((it) => (Object.is(it, -0) ? 0 : it)),
  fc.constantFrom(0, -1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32, -(2 ** 31), -(2 ** 53) + 1, 2 ** 53 - 1),
  fc.constantFrom(0.5, 1.1, 5e-324, 1.7976931348623157e308, 65_504.5, 3.4028234663852886e38),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.oneof(text, number, fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      text.filter((it) => it !== '__proto__'),
      tie('value'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
}));

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'taken';
}

describe.each(FORMATS)('%s', (format) => {
  const codec = codecs[format];

  test('round-trips every value of JSON', () => {
    fc.assert(
      fc.property(value, (json) => {
        const same: unknown = JSON.parse(JSON.stringify(json));
        const read = codec.decode(codec.encode(same), LIMITS);
        expect(read).toEqual(same);
        expect(JSON.stringify(read)).toBe(JSON.stringify(same));
      }),
      { numRuns: 2000 },
    );
  });

  test('is what other programs read and write', () => {
    fc.assert(
      fc.property(value, (json) => {
        const same: unknown = JSON.parse(JSON.stringify(json));
        const read: unknown = format === 'cbor' ? decodeCbor(codec.encode(same)) : decodePack(codec.encode(same));
        expect(read).toEqual(same);
        const written = format === 'cbor' ? encodeCbor(same) : new Encoder({ sortKeys: true }).encode(same);
        expect(codec.decode(written, LIMITS)).toEqual(same);
      }),
      { numRuns: 300 },
    );
  });

  test('refuses a message that ends anywhere too early, or goes on after its end', () => {
    fc.assert(
      fc.property(value, (json) => {
        const whole = codec.encode(JSON.parse(JSON.stringify(json)));
        for (let length = 0; length < Math.min(whole.length, 200); length++) {
          expect(codeOf(() => codec.decode(whole.subarray(0, length), LIMITS))).toBe('INVALID_CONTENT');
        }
        expect(codeOf(() => codec.decode(Buffer.concat([whole, bytes('00')]), LIMITS))).toBe('INVALID_CONTENT');
      }),
      { numRuns: 100 },
    );
  });

  test('decodes any bytes to a value of JSON or refuses them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
        let read: unknown;
        try {
          read = codec.decode(input, LIMITS);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          return;
        }
        expect(JSON.parse(JSON.stringify(read))).toEqual(read);
      }),
      { numRuns: 20_000 },
    );
  });

  test('reads from the middle of a larger buffer', () => {
    const whole = Buffer.concat([bytes('ffffff'), codec.encode({ a: ['x', 1.5] }), bytes('ff')]);
    expect(codec.decode(whole.subarray(3, -1), LIMITS)).toEqual({ a: ['x', 1.5] });
  });

  test('has the depth and the width of JSON, and two levels around', () => {
    const nest = (levels: number) => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1);
    expect(codeOf(() => codec.decode(codec.encode(nest(66)), LIMITS))).toBe('taken');
    expect(codeOf(() => codec.decode(codec.encode(nest(67)), LIMITS))).toBe('TOO_DEEP');
    const wide = (keys: number) => Object.fromEntries(Array.from({ length: keys }, (_, index) => [`k${index}`, 1]));
    expect(codeOf(() => codec.decode(codec.encode(wide(1000)), LIMITS))).toBe('taken');
    expect(codeOf(() => codec.decode(codec.encode(wide(1001)), LIMITS))).toBe('TOO_WIDE');
  });

  test('keeps the members in their order', () => {
    const read = codec.decode(codec.encode({ title: 1, id: 2, b: 3, a: 4 }), LIMITS) as object;
    expect(Object.keys(read)).toEqual(['title', 'id', 'b', 'a']);
  });
});

describe('integers of 64 bits are numbers', () => {
  test.each<[format: 'cbor' | 'msgpack', hex: string, value: number, written: string | undefined]>([
    ['cbor', '81 1b 0000000000000005', 5, undefined],
    ['cbor', '81 1b 1000000000000000', 2 ** 60, undefined],
    ['cbor', '81 1b ffffffffffffffff', 2 ** 64, '18446744073709551615'],
    ['cbor', '81 3b ffffffffffffffff', -(2 ** 64), undefined],
    ['msgpack', '91 cf 0000000000000005', 5, undefined],
    ['msgpack', '91 cf 1000000000000000', 2 ** 60, undefined],
    ['msgpack', '91 cf 1000000000000001', 2 ** 60, '1152921504606846977'],
    ['msgpack', '91 d3 8000000000000000', -(2 ** 63), undefined],
    ['msgpack', '91 d3 fffffffffffffffe', -2, undefined],
  ])('%s: %s is %d, and what was rounded is known', (format, hex, value, written) => {
    const list = codecs[format].decode(bytes(hex), LIMITS) as number[];
    expect(list).toEqual([value]);
    expect(roundedIn(list)?.get('0')).toBe(written);
  });

  test('small ones beside a large one stay numbers', () => {
    const list = codecs.msgpack.decode(bytes('92 cf 0000000000000005 cf 1000000000000000'), LIMITS);
    expect(list).toEqual([5, 2 ** 60]);
  });
});

describe('values that JSON cannot express are refused', () => {
  test.each([
    ['a byte string', '42 0102', 'INVALID_CONTENT', 'a byte string, at byte 0'],
    ['a tag', 'c0 6161', 'INVALID_CONTENT', 'a tag'],
    ['a big number as a tag', 'c2 49 010000000000000000', 'INVALID_CONTENT', 'a tag'],
    ['an indefinite list', '9f 01 ff', 'INVALID_CONTENT', 'an indefinite length'],
    ['an indefinite map', 'bf 6161 01 ff', 'INVALID_CONTENT', 'an indefinite length'],
    ['an indefinite text', '7f 6161 ff', 'INVALID_CONTENT', 'an indefinite length'],
    ['a break', 'ff', 'INVALID_CONTENT', 'an indefinite length'],
    ['undefined', 'f7', 'INVALID_CONTENT', 'undefined'],
    ['a simple value', 'f8 20', 'INVALID_CONTENT', ''],
    ['NaN', 'f9 7e00', 'VALIDATION_ERROR', 'NaN and infinite'],
    ['Infinity', 'fb 7ff0000000000000', 'VALIDATION_ERROR', 'NaN and infinite'],
    ['2^53+1', '1b 0020000000000001', 'VALIDATION_ERROR', 'cannot be held exactly'],
    ['-2^53-1', '3b 0020000000000000', 'VALIDATION_ERROR', 'cannot be held exactly'],
    ['2^64-1', '1b ffffffffffffffff', 'VALIDATION_ERROR', 'cannot be held exactly'],
    ['a number as a key', 'a1 01 02', 'INVALID_CONTENT', 'a key that is not a string, at byte 1'],
    ['a list as a key', 'a1 80 02', 'INVALID_CONTENT', 'a key that is not a string'],
    ['null as a key', 'a1 f6 02', 'INVALID_CONTENT', 'a key that is not a string'],
    ['a repeated key', 'a2 6161 01 6161 02', 'INVALID_CONTENT', 'a repeated key, at byte 5'],
    ['__proto__', 'a1 69 5f5f70726f746f5f5f 01', 'VALIDATION_ERROR', '__proto__'],
    ['bad UTF-8', '62 c328', 'INVALID_CONTENT', 'not UTF-8'],
    ['a surrogate', '63 eda080', 'INVALID_CONTENT', 'not UTF-8'],
    ['NUL', '61 00', 'VALIDATION_ERROR', 'NUL'],
    ['a list of 2^32-1', '9a ffffffff', 'INVALID_CONTENT', 'a length beyond the end'],
    ['a list of 2^64-1', '9b ffffffffffffffff', 'INVALID_CONTENT', ''],
    ['a map of 2^53-1', 'bb 001fffffffffffff', 'INVALID_CONTENT', 'a length beyond the end'],
    ['a text of 2^32-1', '7a ffffffff 61', 'INVALID_CONTENT', ''],
    ['a reserved length', '1c', 'INVALID_CONTENT', ''],
    ['nothing', '', 'INVALID_CONTENT', 'ends too early'],
  ])('CBOR: %s', (_what, hex, code, message) => {
    expect(() => codecs.cbor.decode(bytes(hex), LIMITS)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  test.each([
    ['binary', 'c4 02 0102', 'INVALID_CONTENT', 'binary data, at byte 0'],
    ['an extension', 'd4 01 02', 'INVALID_CONTENT', 'an extension'],
    ['a timestamp', 'd6 ff 00000000', 'INVALID_CONTENT', 'an extension'],
    ['the byte that is never used', 'c1', 'INVALID_CONTENT', ''],
    ['NaN', 'cb 7ff8000000000000', 'VALIDATION_ERROR', 'NaN and infinite'],
    ['Infinity in four bytes', 'ca 7f800000', 'VALIDATION_ERROR', 'NaN and infinite'],
    ['2^53+1', 'cf 0020000000000001', 'VALIDATION_ERROR', 'cannot be held exactly'],
    ['-2^63+1', 'd3 8000000000000001', 'VALIDATION_ERROR', 'cannot be held exactly'],
    ['a number as a key', '81 01 02', 'INVALID_CONTENT', 'a key that is not a string, at byte 1'],
    ['a map as a key', '81 80 02', 'INVALID_CONTENT', 'a key that is not a string'],
    ['a fraction as a key', '81 ca 00000000 02', 'INVALID_CONTENT', 'a key that is not a string'],
    ['a repeated key', '82 a161 01 a161 02', 'INVALID_CONTENT', 'a repeated key, at byte 5'],
    ['__proto__', '81 a9 5f5f70726f746f5f5f 01', 'VALIDATION_ERROR', '__proto__'],
    ['bad UTF-8', 'a2 c328', 'INVALID_CONTENT', 'not UTF-8'],
    ['NUL', 'a1 00', 'VALIDATION_ERROR', 'NUL'],
    ['a list of 2^32-1', 'dd ffffffff', 'INVALID_CONTENT', 'a length beyond the end'],
    ['a map of 2^32-1', 'df ffffffff', 'INVALID_CONTENT', 'a length beyond the end'],
    ['a text of 2^32-1', 'db ffffffff 61', 'INVALID_CONTENT', 'ends too early'],
    ['nothing', '', 'INVALID_CONTENT', 'ends too early'],
  ])('MessagePack: %s', (_what, hex, code, message) => {
    expect(() => codecs.msgpack.decode(bytes(hex), LIMITS)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  test.each([
    ['cbor', '81'],
    ['cbor', '9a000ffff0'],
    ['cbor', 'a16161'],
    ['msgpack', '91'],
    ['msgpack', 'dd000ffff0'],
    ['msgpack', '81a161'],
  ] as const)('%s: a mebibyte of %s is refused at once, in little memory', (format, hex) => {
    const input = Buffer.alloc(1024 * 1024, Buffer.from(hex, 'hex'));
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    expect(['TOO_DEEP', 'INVALID_CONTENT']).toContain(codeOf(() => codecs[format].decode(input, LIMITS)));
    const after = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    expect(after - before).toBeLessThan(16 * 1024 * 1024);
  });
});
