import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseInputJson, parseInputText } from '../../src/connectors/flows/json-input.ts';
import { LIMITS } from '../query/tables.ts';

describe('JSON that was sent to a flow', () => {
  test.each([
    ['{"ref":9007199254740993,"t":"x"}', { ref: '9007199254740993', t: 'x' }],
    ['{"a":[{"n":-12345678901234567890}]}', { a: [{ n: '-12345678901234567890' }] }],
    ['9007199254740993', '9007199254740993'],
    ['{"n":9007199254740991}', { n: 9007199254740991 }],
    ['{"n":1152921504606846976}', { n: '1152921504606846976' }],
    ['{"n":1e400,"m":1e-400}', { n: '1e400', m: '1e-400' }],
    ['{"n":4503599627370497.5,"m":0.5}', { n: '4503599627370497.5', m: 0.5 }],
    ['{"n":9007199254740993.5}', { n: '9007199254740993.5' }],
    ['{"n":0.12345678901234567890123,"m":1e21}', { n: 0.12345678901234568, m: 1e21 }],
    ['{"t":"9007199254740993","9007199254740993":1}', { t: '9007199254740993', '9007199254740993': 1 }],
    [
      '{"t":"say \\"9007199254740993\\" \\\\","n":9007199254740993}',
      { t: 'say "9007199254740993" \\', n: '9007199254740993' },
    ],
  ])('%s', (text, value) => {
    expect(parseInputText(text)).toEqual(value);
  });

  test.each([
    ['{"n":9007199254740993', 'INVALID_JSON', /ends too early, at offset 21/],
    ['{"n":9007199254740993,"t":"\\u0000"}', 'VALIDATION_ERROR', /NUL/],
    ['{"n":9007199254740993,"t":"\\udc00"}', 'VALIDATION_ERROR', /lone surrogates/],
    [`{"n":9007199254740993,"t":${'['.repeat(100)}${']'.repeat(100)}}`, 'TOO_DEEP', /nested/],
    ['', 'INVALID_JSON', /empty/],
    ['\uFEFF{}', 'INVALID_JSON', /byte order mark/],
  ])('%s is refused', (text, code, message) => {
    const read = () => parseInputJson(Buffer.from(text), LIMITS);
    expect(read).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  test('other members are unchanged by inexact numbers', () => {
    const name = fc.string({ minLength: 1, maxLength: 8 }).filter((it) => it !== '__proto__');
    const text = fc.string({ maxLength: 30 }).filter((it) => it.isWellFormed() && !it.includes('\0'));
    const members = fc.dictionary(
      name.filter((it) => it.isWellFormed() && !it.includes('\0')),
      fc.oneof(text, fc.maxSafeInteger(), fc.boolean(), fc.constant(null)),
      { maxKeys: 5 },
    );
    fc.assert(
      fc.property(members, fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (known, number) => {
        const { large: _large, ...rest } = known;
        const json = JSON.stringify(rest).replace(
          /\}$/,
          `${Object.keys(rest).length > 0 ? ',' : ''}"large":${number}}`,
        );
        const isHeld = Number.isSafeInteger(Number(number));
        const expected = { ...rest, large: isHeld ? Number(number) : String(number) };
        expect(parseInputText(json)).toEqual(expected);
      }),
    );
  });
});
