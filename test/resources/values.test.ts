import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { checkOf, summarize, type ValueLimits } from '../../src/resources/body/values.ts';
import type { FieldType } from '../../src/schema/plan.ts';
import { tableOf } from '../schema/mistakes.ts';

const LIMITS: ValueLimits = { jsonDepth: 3, jsonKeys: 3 };
const TYPES = `
  enum Colour { red green }
  type Part { a: Int! b: [String] c: Colour @default(value: red) }
  type T @table { id: ID! @primaryKey `;

function typeOf(sdl: string): FieldType {
  const field = tableOf(`${TYPES} f: ${sdl} }`).fields[1];
  if (field === undefined) throw new Error('there is a field f');
  return field.type;
}

/** The value as it is stored, or what is wrong with it. */
function check(sdl: string, value: unknown): unknown {
  const errors: string[] = [];
  const result = checkOf(typeOf(sdl), LIMITS)(value, 'f', (field, message) => errors.push(`${field} ${message}`));
  return errors.length === 0 ? result : errors;
}

const INT = 'f must be an Int: an integer within ±(2^53−1)';
const FLOAT = 'f must be a finite number';
const BOOLEAN = 'f must be true or false';
const LONG = 'f must be a Long: an integer of 64 bits; beyond ±(2^53−1) send it as a string of digits';
const DATE = 'f must be an ISO 8601 date or date and time';
const TEXT = 'f must be a string';

describe('a value is accepted, or converted when it is exactly a literal of the type', () => {
  test.each<[string, unknown, unknown]>([
    ['String', '', ''],
    ['String', 'é', 'é'],
    ['ID', 'x', 'x'],
    ['Int', 0, 0],
    ['Int', -5, -5],
    ['Int', '42', 42],
    ['Int', '-7', -7],
    ['Int', 1.0, 1],
    ['Int', 2 ** 53 - 1, 2 ** 53 - 1],
    ['Int', '9007199254740991', 2 ** 53 - 1],
    ['Float', 1.5, 1.5],
    ['Float', '1.5', 1.5],
    ['Float', '-2e-3', -0.002],
    ['Float', 7, 7],
    ['Boolean', true, true],
    ['Boolean', 'false', false],
    ['Boolean', 'true', true],
    ['Long', 5, 5],
    ['Long', '5', 5],
    ['Long', '9007199254740991', 2 ** 53 - 1],
    ['Long', '9007199254740992', '9007199254740992'],
    ['Long', '9223372036854775807', '9223372036854775807'],
    ['Long', '-9223372036854775808', '-9223372036854775808'],
    ['Date', '2025-01-15T10:30:00Z', '2025-01-15T10:30:00.000Z'],
    ['Date', '2025-01-15T10:30:00.5+02:00', '2025-01-15T08:30:00.500Z'],
    ['Date', '2025-01-15', '2025-01-15T00:00:00.000Z'],
    ['Colour', 'green', 'green'],
    ['[Int]', [1, '2', null], [1, 2, null]],
    ['[Int!]', [], []],
    ['[[Boolean]]', [['true'], null], [[true], null]],
    ['Part', { a: '1', b: ['x', null], c: 'green' }, { a: 1, b: ['x', null], c: 'green' }],
    ['Part', { a: 1 }, { a: 1, b: null, c: 'red' }],
    ['Part', { a: 1, c: null }, { a: 1, b: null, c: null }],
    ['JSON', 'text', 'text'],
    ['JSON', { a: [1, 'x', null] }, { a: [1, 'x', null] }],
    ['JSON', [[1]], [[1]]],
  ])('%s takes %j as %j', (sdl, value, expected) => {
    expect(check(sdl, value)).toEqual(expected);
  });
});

describe('any other value is refused', () => {
  test.each<[string, unknown, string]>([
    ['String', 1, TEXT],
    ['String', true, TEXT],
    ['String', {}, TEXT],
    ['ID', 1, TEXT],
    ['Int', 1.5, INT],
    ['Int', 2 ** 53, INT],
    ['Int', '9007199254740992', INT],
    ['Int', '01', INT],
    ['Int', '+1', INT],
    ['Int', ' 1', INT],
    ['Int', '1.0', INT],
    ['Int', '1e3', INT],
    ['Int', '', INT],
    ['Int', true, INT],
    ['Int', [1], INT],
    ['Float', '', FLOAT],
    ['Float', 'NaN', FLOAT],
    ['Float', 'Infinity', FLOAT],
    ['Float', '1e999', FLOAT],
    ['Float', '1e-999', 'f is too small; it would be 0'],
    ['Float', '.5', FLOAT],
    ['Float', '0x10', FLOAT],
    ['Float', false, FLOAT],
    ['Boolean', 1, BOOLEAN],
    ['Boolean', 'TRUE', BOOLEAN],
    ['Boolean', '', BOOLEAN],
    ['Long', 2 ** 53, LONG],
    ['Long', 1.5, LONG],
    ['Long', '1.0', LONG],
    ['Long', '1'.repeat(21), LONG],
    ['Long', '9223372036854775808', 'f must be a Long, which is within 64 bits'],
    ['Long', '-9223372036854775809', 'f must be a Long, which is within 64 bits'],
    ['Date', 'yesterday', DATE],
    ['Date', '2025-02-30', DATE],
    ['Date', '2025-01-15T25:00:00Z', DATE],
    ['Date', 0, DATE],
    ['Date', '', DATE],
    ['Colour', 'gren', 'f must be one of red, green; did you mean "green"?'],
    ['Colour', 1, 'f must be one of red, green'],
    ['[Int]', 1, 'f must be a list'],
    ['[Int]', { length: 0 }, 'f must be a list'],
    ['[Int!]', [1, null], 'f[1] must not be null'],
    ['Part', [], 'f must be an object'],
    ['Part', 'x', 'f must be an object'],
  ])('%s refuses %j: %s', (sdl, value, message) => {
    expect(check(sdl, value)).toEqual([message]);
  });

  test('each wrong member is named by its path', () => {
    expect(check('[Part]', [{ a: 1 }, { a: null, b: ['x', 5], d: 1 }, {}])).toEqual([
      expect.stringMatching(/^f\[1\]\.d is not a field of this type/),
      'f[1].a must not be null',
      'f[1].b[1] must be a string',
      'f[2].a is required',
    ]);
  });

  test('a member that every object inherits does not count as sent', () => {
    expect(check('Part', { a: 1, toString: 1 })).toEqual([expect.stringMatching(/^f\.toString is not a field/)]);
  });
});

describe('JSON of any form', () => {
  test.each([
    ['TOO_DEEP', [[[[]]]]],
    ['TOO_DEEP', { a: { b: [{}] } }],
    ['TOO_WIDE', { a: 1, b: 2, c: 3, d: 4 }],
    ['TOO_WIDE', [{ a: 1, b: 2, c: 3, d: 4 }]],
  ])('is refused with %s beyond the limits: %j', (code, value) => {
    expect(() => check('JSON', value)).toThrow(expect.objectContaining({ code }));
    expect(() => check('JSON', value)).toThrow(AppError);
  });

  test('may be as deep, as wide and as long as the limits say', () => {
    for (const value of [[[[1]]], { a: { b: { c: 1 } } }, { a: 1, b: 2, c: 3 }, [1, 2, 3, 4, 5]]) {
      expect(check('JSON', value)).toEqual(value);
    }
  });

  test('is refused however deep it is', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    expect(() => check('JSON', deep)).toThrow(expect.objectContaining({ code: 'TOO_DEEP' }));
  });
});

test('a summary has a few of the errors and the number of the others', () => {
  const errors = ['a', 'b', 'c', 'd', 'e'].map((field) => ({ field, message: 'is wrong' }));
  expect(summarize(errors.slice(0, 1))).toBe('a: is wrong');
  expect(summarize(errors.slice(0, 3))).toBe('a: is wrong; b: is wrong; c: is wrong');
  expect(summarize(errors)).toBe('a: is wrong; b: is wrong; c: is wrong; and 2 more');
  expect(summarize([{ field: '', message: 'whole' }])).toBe('whole');
});
