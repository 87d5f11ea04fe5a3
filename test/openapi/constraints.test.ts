import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { componentSchemas } from '../../src/openapi/schemas/component-schemas.ts';
import { RecordParser } from '../../src/resources/body/record-parser.ts';
import { FORMATS } from '../../src/schema/constraints/formats.ts';
import { LIMITS } from '../query/tables.ts';
import { planOf } from '../schema/mistakes.ts';

/** Validator of another author, for the schemas that the server shows. Its `multipleOf` divides doubles: see below. */
const ajv = new Ajv2020({ strict: false, multipleOfPrecision: 9, logger: false, validateSchema: false });
addFormats.default(ajv as never);

function documentOf(sdl: string): (record: unknown) => boolean {
  const schemas = componentSchemas(planOf(sdl).tables, 256);
  const validate = ajv.compile({ $ref: '#/components/schemas/T.create', components: { schemas } });
  return (record) => validate(record);
}

function parserOf(sdl: string): (record: unknown) => boolean {
  const [table] = planOf(sdl).tables;
  const parser = new RecordParser(table as never, { ...LIMITS, id: 256 });
  return (record) => {
    try {
      parser.parseFull(record);
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === 'VALIDATION_ERROR') return false;
      throw error;
    }
  };
}

function expectAgreement(sdl: string, values: readonly unknown[]): void {
  const [isDescribed, isAccepted] = [documentOf(sdl), parserOf(sdl)];
  for (const f of values) {
    expect({ f, accepted: isAccepted({ id: 'a', f }) }, sdl).toEqual({ f, accepted: isDescribed({ id: 'a', f }) });
  }
}

const PATTERNS = [
  '^[a-z]+$',
  'b',
  '^\\\\d{2,3}$',
  '^(a|b)*$',
  '\\\\s',
  '^\\\\S+$',
  '^.{2}$',
  '[^a-c]',
  '\\\\w\\\\b',
  '\\\\u00e9',
  '^\\\\p{L}+$',
  '^[\\\\s\\\\S]{3}$',
  '(?<x>a)b?',
  '^\\\\ud83d\\\\ude00',
  '[(?<.]',
  '^[^\\\\S]$',
  '\\\\x61',
  '^\\\\.\\\\/$',
  'a{2}|^$',
];
const SIGNS = [
  'a',
  'b',
  'c',
  'Z',
  '1',
  '9',
  ' ',
  '\n',
  '\u00a0',
  '\u2028',
  '.',
  '/',
  '(',
  '<',
  'é',
  'ß',
  '😀',
  '_',
  '-',
  '\ufeff',
];
const text = fc.string({ unit: fc.constantFrom(...SIGNS), maxLength: 6 });
const small = fc.integer({ min: 0, max: 4 });
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

function words(constraints: Readonly<Record<string, unknown>>): string {
  const written = Object.entries(constraints).filter(([, value]) => value !== undefined);
  return written.length === 0 ? '' : `@constraint(${written.map(([name, value]) => `${name}: ${value}`).join(', ')})`;
}

const ordered = (low: number | undefined, high: number | undefined) =>
  low !== undefined && high !== undefined && low > high ? ([high, low] as const) : ([low, high] as const);

const textWords = fc
  .record({ low: some(small), high: some(small), pattern: some(fc.constantFrom(...PATTERNS)) })
  .map(({ low, high, pattern }) => {
    const [minLength, maxLength] = ordered(low, high);
    return { minLength, maxLength, pattern: pattern === undefined ? undefined : `"${pattern}"` };
  });
const listWords = fc
  .record({ low: some(small), high: some(small), uniqueItems: some(fc.boolean()) })
  .map(({ low, high, uniqueItems }) => {
    const [minItems, maxItems] = ordered(low, high);
    return { minItems, maxItems, uniqueItems };
  });
const integer = fc.integer({ min: -6, max: 6 });
const intWords = fc
  .record({
    low: some(integer),
    high: some(integer),
    exclusive: fc.boolean(),
    multipleOf: some(fc.integer({ min: 1, max: 4 })),
  })
  .map(({ low, high, exclusive, multipleOf }) => {
    const [min, max] = ordered(low, high);
    return exclusive && (min === undefined || max === undefined || min < max)
      ? { exclusiveMin: min, exclusiveMax: max, multipleOf }
      : { min, max, multipleOf };
  });

describe('a constraint has the meaning of JSON Schema', () => {
  test('of strings', () => {
    fc.assert(
      fc.property(textWords, fc.array(text, { minLength: 20, maxLength: 20 }), (constraints, values) =>
        expectAgreement(`type T @table @export { id: ID! @primaryKey f: String ${words(constraints)} }`, [
          null,
          ...values,
        ]),
      ),
      { numRuns: 100, endOnFailure: true },
    );
  });

  test('of integers', () => {
    fc.assert(
      fc.property(fc.constantFrom('Int', 'Long'), intWords, (type, constraints) =>
        expectAgreement(`type T @table @export { id: ID! @primaryKey f: ${type} ${words(constraints)} }`, [
          null,
          ...Array.from({ length: 19 }, (_, index) => index - 9),
        ]),
      ),
      { numRuns: 40, endOnFailure: true },
    );
  });

  test('of fractions', () => {
    const hundredths = fc.integer({ min: -400, max: 400 }).map((value) => value / 100);
    const amounts = fc.record({
      low: some(hundredths),
      high: some(hundredths),
      multipleOf: some(fc.constantFrom(0.01, 0.05, 0.1, 0.25, 1, 1.5)),
    });
    fc.assert(
      fc.property(
        amounts,
        fc.array(hundredths, { minLength: 20, maxLength: 20 }),
        ({ low, high, multipleOf }, values) => {
          const [min, max] = ordered(low, high);
          expectAgreement(
            `type T @table @export { id: ID! @primaryKey f: Float ${words({ min, max, multipleOf })} }`,
            values,
          );
        },
      ),
      { numRuns: 40, endOnFailure: true },
    );
  });

  test('of lists, and of their items at any depth', () => {
    const item = fc.constantFrom('a', 'b', 'abc', '', '😀', null);
    const list: fc.Arbitrary<unknown[]> = fc.array(item, { maxLength: 5 });
    const lists: fc.Arbitrary<unknown[]> = fc.array(list, { maxLength: 4 });
    fc.assert(
      fc.property(textWords, listWords, fc.boolean(), fc.gen(), (ofItems, ofList, isNested, gen) => {
        const type = isNested ? '[[String]]' : '[String]';
        const values = gen(() => fc.array(isNested ? lists : list, { minLength: 15, maxLength: 15 }));
        expectAgreement(
          `type T @table @export { id: ID! @primaryKey f: ${type} ${words({ ...ofItems, ...ofList })} }`,
          values,
        );
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  test('of nested types', () => {
    const members = { x: integer, name: fc.option(text), more: fc.array(integer, { maxLength: 3 }) };
    // ajv compares objects by their methods.
    const point = fc.record(members, { noNullPrototype: true });
    fc.assert(
      fc.property(intWords, textWords, listWords, fc.gen(), (x, name, more, gen) => {
        const sdl = `type P { x: Int! ${words(x)} name: String ${words(name)} more: [Int!]! ${words(more)} }
          type T @table @export { id: ID! @primaryKey f: [P!] ${words({ uniqueItems: true })} }`;
        expectAgreement(
          sdl,
          gen(() => fc.array(fc.array(point, { maxLength: 3 }), { minLength: 10, maxLength: 10 })),
        );
      }),
      { numRuns: 40, endOnFailure: true },
    );
  });
});

describe('a format has the meaning of JSON Schema', () => {
  const SAMPLES = [
    '',
    'a@b.de',
    'a@b',
    'a.b+c@x-y.example.com',
    '@b.de',
    'a@-b.de',
    'a..b@c.de',
    "o'neil@example.org",
    'a b@c.de',
    'é@b.de',
    'https://example.com/a?b=c#d',
    'http://[::1]:80/',
    'http://[::g]/',
    'mailto:a@b.de',
    '/a',
    'a:b',
    'a:',
    '1a:b',
    'http://a b',
    'http://a/%zz',
    'http://u:p@h:1/%20',
    'urn:x:y',
    'x://',
    'http://a/"',
    '0191b6f0-7e2c-7a33-9d1a-000000000000',
    '0191B6F0-7E2C-7A33-9D1A-00000000000F',
    '0191b6f07e2c7a339d1a000000000000',
    'g191b6f0-7e2c-7a33-9d1a-000000000000',
    '2025-01-31',
    '2025-02-29',
    '2024-02-29',
    '2000-02-29',
    '1900-02-29',
    '2025-13-01',
    '2025-00-10',
    '2025-1-1',
    '25-01-01',
    '2025-01-31T10:30:00Z',
    '2025-01-31t10:30:00.123456789z',
    '2025-01-31T10:30:00+02:00',
    '2025-01-31T10:30:00',
    '2025-01-31T24:00:00Z',
    '2025-01-31T10:60:00Z',
    '2025-02-30T10:30:00Z',
    '10:30:00Z',
    '10:30:00.5-05:30',
    '10:30:00',
    '23:59:59+24:00',
    '1:30:00Z',
    'example.com',
    'example',
    'a-b.c',
    '-a.b',
    'a-.b',
    'a..b',
    'a.',
    '.',
    `${'a'.repeat(63)}.b`,
    `${'a'.repeat(64)}.b`,
    `${'a.'.repeat(126)}a`,
    `${'a.'.repeat(127)}a`,
    'a_b.c',
    '127.0.0.1',
    '256.0.0.1',
    '1.2.3',
    '01.2.3.4',
    '1.2.3.4.5',
    '::',
    '::1',
    '1::2::3',
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7',
    '::ffff:1.2.3.4',
    'fe80::1%eth0',
    '12345::',
    '::1.2.3',
    'a-slug-1',
    'A-slug',
    'a--b',
    '-a',
    'a-',
    'a_b',
    'a b',
  ];

  test.each([...FORMATS.keys()])('%s', (format) => {
    const left = SAMPLES.filter((sample) => !(format === 'uri' && sample.includes('"')));
    expectAgreement(`type T @table @export { id: ID! @primaryKey f: String @constraint(format: "${format}") }`, left);
  });

  test.each([...FORMATS.keys()].filter((name) => name !== 'time' && name !== 'date-time'))(
    '%s of any string',
    (format) => {
      const signs = fc.string({ unit: fc.constantFrom(...'ab1.:@/-_[]%?#0'), maxLength: 14 });
      fc.assert(
        fc.property(fc.array(signs, { minLength: 50, maxLength: 50 }), (values) =>
          expectAgreement(
            `type T @table @export { id: ID! @primaryKey f: String @constraint(format: "${format}") }`,
            values,
          ),
        ),
        { numRuns: 10, endOnFailure: true },
      );
    },
  );
});

test('multipleOf is exact in decimal, where doubles are not', () => {
  const isAccepted = parserOf('type T @table { id: ID! @primaryKey f: Float @constraint(multipleOf: 0.01) }');
  for (const f of [0.07, 1.13, 19.99, 4.35, 1e21, 123456789012.34, -0.29, 0])
    expect([f, isAccepted({ id: 'a', f })]).toEqual([f, true]);
  for (const f of [0.071, 1e-300, 0.30000000000000004, 19.999])
    expect([f, isAccepted({ id: 'a', f })]).toEqual([f, false]);
  fc.assert(
    fc.property(fc.maxSafeInteger(), (hundredths) => {
      const f = Number(`${hundredths}e-2`);
      // Larger numbers have no two digits after the point.
      fc.pre(Math.abs(hundredths) < 2 ** 50);
      expect(isAccepted({ id: 'a', f })).toBe(true);
    }),
  );
});

test('a Long is compared and divided exactly', () => {
  const isAccepted = parserOf(
    'type T @table { id: ID! @primaryKey f: Long @constraint(min: 9007199254740993, multipleOf: 3) }',
  );
  expect(isAccepted({ id: 'a', f: '9007199254740993' })).toBe(true);
  expect(isAccepted({ id: 'a', f: '9007199254740996' })).toBe(true);
  expect(isAccepted({ id: 'a', f: '9007199254740994' })).toBe(false);
  expect(isAccepted({ id: 'a', f: '9007199254740990' })).toBe(false);
});
