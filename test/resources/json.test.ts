import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { parseJson, parseJsonText, roundedIn } from '../../src/resources/body/json.ts';

function refusal(text: string | Buffer): AppError {
  try {
    parseJson(Buffer.from(text as string));
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('JSON', () => {
  test.each([
    '{"a":[1,-2.5,1e3,true,null,"é😀\\u00e9\\ud83d\\ude00"]}',
    '"text"',
    ' [ ] ',
    '{"id":"1234567890123456789012"}',
    '{"text":"not \\\\u0000 escaped"}',
    '{"a":9007199254740991,"b":-9007199254740991}',
    '{"a":1.2345678901234567}',
    '{"a":1e308,"b":5e-324,"c":-1.5e-300}',
    '{"a":0e-400,"b":0.0e-999,"c":-0,"d":0.0000000000000000000}',
    '{"a":"1e-400","b":1.5e-7}',
    '{"__proto__":{"x":1}}',
  ])('%s is taken as it is', (text) => {
    expect(parseJsonText(text)).toEqual(JSON.parse(text));
    expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
  });

  test.each([
    ['', 'The text is empty; expected JSON.'],
    [' \n\t', 'The text is empty; expected JSON.'],
    ['{"a":1,}', 'Not valid JSON: unexpected "}" at offset 7.'],
    ['{"a" 1}', 'Not valid JSON: unexpected "1" at offset 5.'],
    ['nope', 'Not valid JSON: unexpected "o" at offset 1.'],
    ['{"a":1', 'Not valid JSON: it ends too early, at offset 6.'],
    ['[1] x', 'Not valid JSON: unexpected "x" at offset 4.'],
    ['{"secret":"abc', 'Not valid JSON: it ends too early, at offset 14.'],
    ['\ufeff{}', 'Not valid JSON: unexpected "\ufeff" at offset 0.'],
    ['"a\u0000b"', 'Not valid JSON: unexpected "\\u0000" at offset 2.'],
  ])('%j is refused with the place: %s', (text, message) => {
    expect(refusal(text)).toMatchObject({ code: 'INVALID_JSON', message });
  });

  test('is refused with a number that a double cannot hold, and accepted with the same digits in a string', () => {
    const space = fc.constantFrom('', ' ', '\n', '\t\r\n  ');
    const place = fc.constantFrom('?', '[?]', '[1,?]', '{"a":?}', '{"a":[{"b":?,"c":1}]}', '["9007199254740993",?]');
    const digits = fc.constantFrom(
      '1e400',
      '-12E+308',
      '1.5e999',
      '123456789.1e301',
      '1e-400',
      '-12.5E-999',
      `0.${'0'.repeat(330)}1`,
    );
    fc.assert(
      fc.property(space, place, digits, space, (before, inside, number, after) => {
        const put = (text: string) => inside.replace('?', `${before}${text}${after}`);
        expect(refusal(put(number)).code).toBe('VALIDATION_ERROR');
        const text = put(JSON.stringify(`at ${number},${number}:${number}`));
        expect(parseJsonText(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('that ends too early is refused with its offset', () => {
    expect(refusal('[').message).toMatch(/at offset 1\.$/);
    expect(refusal('{"a":tru').message).toMatch(/^Not valid JSON: .* at offset 8\.$/);
  });

  test.each([[[0xff, 0xfe]], [[0x22, 0xc3, 0x28, 0x22]], [[0x22, 0xed, 0xa0, 0x80, 0x22]], [[0x22, 0xc0, 0x80, 0x22]]])(
    'that is not UTF-8 (%j) is refused',
    (bytes) => {
      expect(refusal(Buffer.from(bytes))).toMatchObject({ code: 'INVALID_JSON', message: 'The text is not UTF-8.' });
    },
  );

  test.each([
    ['{"a":"x\\u0000y"}', 'NUL'],
    ['{"x\\u0000":1}', 'NUL'],
    ['["\\ud800"]', 'lone surrogates'],
    ['["\\udc00\\ud800"]', 'lone surrogates'],
    ['["\\uD83Dx"]', 'lone surrogates'],
  ])('%s is refused for its %s', (text, what) => {
    expect(refusal(text)).toMatchObject({ code: 'VALIDATION_ERROR', message: expect.stringContaining(what) });
  });

  test.each([
    ['{"n":9007199254740993}', 'n', '9007199254740993'],
    ['{"n":9007199254740990.9}', 'n', '9007199254740990.9'],
    ['{"n":1.00000000000000001}', 'n', '1.00000000000000001'],
    ['{"a":1,"n": -9007199254740993 }', 'n', '-9007199254740993'],
    ['[1,12345678901234567890]', '1', '12345678901234567890'],
    [`{"n":${'9'.repeat(50)}}`, 'n', '9'.repeat(50)],
    ['{"n":1152921504606846977}', 'n', '1152921504606846977'],
  ])('%s is a double, and how %s was written is known', (text, name, written) => {
    const value = parseJsonText(text);
    expect(value).toEqual(JSON.parse(text));
    expect([...(roundedIn(value as object) ?? [])]).toEqual([[name, written]]);
  });

  test.each([
    '{"n":1152921504606846976}',
    '{"n":1152921504606847000}',
    '{"n":9007199254740992}',
    '{"n":1e300}',
    '{"n":0.12345678901234567890123}',
    '{"n":"9007199254740993"}',
  ])('%s is what a double holds', (text) => {
    const value = parseJsonText(text) as object;
    expect(value).toEqual(JSON.parse(text));
    expect(roundedIn(value)).toBeUndefined();
  });

  test('rounded numbers are recorded by their object, at any depth and beside any string', () => {
    const text =
      '{"a":[{"b":"9007199254740993, \\"1\\":","c":9007199254740993}],"__proto__":{"d":9007199254740993},"e":1}';
    const value = parseJsonText(text) as { a: [object] };
    expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text)));
    expect(roundedIn(value)).toBeUndefined();
    expect([...(roundedIn(value.a[0]) ?? [])]).toEqual([['c', '9007199254740993']]);
    const inner = Object.getOwnPropertyDescriptor(value, '__proto__')?.value as object;
    expect([...(roundedIn(inner) ?? [])]).toEqual([['d', '9007199254740993']]);
  });

  test.each([
    ['{"n":1e309}', 'n', '1e309', 'is too large'],
    ['{"n":-1E+400}', 'n', '-1E+400', 'is too large'],
    [`{"n":${'9'.repeat(400)}}`, 'n', `${'9'.repeat(40)}…`, 'is too large'],
    ['9007199254740993', '', '9007199254740993', 'cannot be held exactly by a double; send it as a string of digits'],
  ])('%s is refused', (text, field, number, what) => {
    const message = `the number ${number} ${what}`;
    expect(refusal(text)).toMatchObject({ code: 'VALIDATION_ERROR', errors: [{ field, message }] });
  });

  test.each([
    ['{"n":1e-400}', 'n', '1e-400'],
    ['{"a":0,"n":-1.25E-0324}', 'n', '-1.25E-0324'],
    ['[2e-324]', '', '2e-324'],
    [`{"n":0.${'0'.repeat(330)}1}`, 'n', `0.${'0'.repeat(38)}…`],
    [`{"n":0.${'0'.repeat(250)}1e-99}`, 'n', `0.${'0'.repeat(38)}…`],
  ])('%s is refused, since %s would become 0', (text, field, number) => {
    const message = `the number ${number} is too small; it would be 0`;
    expect(refusal(text)).toMatchObject({ code: 'VALIDATION_ERROR', errors: [{ field, message }] });
  });
});
