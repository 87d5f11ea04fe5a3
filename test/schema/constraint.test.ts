import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FORMATS } from '../../src/schema/constraints/formats.ts';
import { mistakesOf, readMarks, tableOf } from './mistakes.ts';

const sdl = (field: string, type = '') => `enum Size { small large }
type Place { city: String @constraint(maxLength: 5) }
type T @table ${type} {
  id: ID! @primaryKey
  startsAt: Date
  endsAt: Date
  price: Float
  stock: Int
  name: String
  any: JSON
  place: Place
  twice: Int @computed(from: "stock * 2")
  other: T @relationship(from: "name")
  ${field}
}`;

test.each([
  ['f: String @constraint(minLength: 1, maxLength: 80)', { minLength: 1, maxLength: 80 }],
  ['f: ID @constraint(pattern: "^[a-z]+$", format: slug)', { pattern: '^[a-z]+$', format: 'slug' }],
  ['f: Int @constraint(min: -5, exclusiveMax: 10, multipleOf: 5)', { min: '-5', exclusiveMax: '10', multipleOf: '5' }],
  [
    'f: Float @constraint(exclusiveMin: 0, max: 1e2, multipleOf: 0.01)',
    { exclusiveMin: '0', max: '100', multipleOf: '0.01' },
  ],
  ['f: Long @constraint(max: 9223372036854775807)', { max: '9223372036854775807' }],
  [
    'f: [String!] @constraint(format: "email", minItems: 1, maxItems: 3)',
    { format: 'email', minItems: 1, maxItems: 3 },
  ],
  ['f: [Size] @constraint(uniqueItems: true)', { uniqueItems: true }],
  ['f: [[Int!]] @constraint(min: 1, maxItems: 2)', { min: '1', maxItems: 2 }],
  ['f: Int @computed(from: "stock + 1") @constraint(max: 3)', { max: '3' }],
  ['f: String @constraint(minLength: 2) @default(value: "ab")', { minLength: 2 }],
])('%s', (field, constraints) => {
  expect(tableOf(sdl(field)).fields.at(-1)?.constraints).toEqual(constraints);
});

const NAMED = 'there are email, uri, uuid, date, time, date-time, hostname, ipv4, ipv6, slug';

describe('an error of @constraint is reported with its location', () => {
  test.each(
    [
      ['f: String §@constraint', '@constraint needs an argument | such as @constraint(minLength: 1)'],
      [
        'f: Int @constraint(minLength: §1)',
        'minLength does not work on type Int | this type has min, max, exclusiveMin, exclusiveMax, multipleOf',
      ],
      [
        'f: String @constraint(max: §1)',
        'max does not work on type String | this type has minLength, maxLength, pattern, format',
      ],
      [
        'f: String @constraint(maxItems: §1)',
        'maxItems does not work on type String | this type has minLength, maxLength, pattern, format',
      ],
      ['f: Boolean @constraint(min: §1)', 'min does not work on type Boolean | this type has no constraints'],
      ['f: Size @constraint(minLength: §1)', 'minLength does not work on type Size | this type has no constraints'],
      ['f: JSON @constraint(minItems: §1)', 'minItems does not work on type JSON | this type has no constraints'],
      [
        'f: Place @constraint(minLength: §1)',
        'minLength does not work on type Place | write @constraint on the fields of Place',
      ],
      [
        'f: Date @constraint(min: §1)',
        `min does not work on type Date | write @check(rule: "f >= date('2025-01-31')") on the type`,
      ],
      [
        'f: [Int] @constraint(minLength: §1)',
        'minLength does not work on type [Int] | this type has min, max, exclusiveMin, exclusiveMax, multipleOf, minItems, maxItems, uniqueItems',
      ],
      ['f: String @constraint(minLength: §-1)', 'minLength must be an integer, 0 or more'],
      ['f: String @constraint(minLength: §1.5)', 'argument "minLength" of @constraint expects an integer'],
      ['f: Int @constraint(min: §"1")', 'argument "min" of @constraint expects a number'],
      ['f: Int @constraint(min: §0.5)', 'min of Int must be an integer within Int'],
      ['f: Int @constraint(max: §9007199254740993)', 'max of Int must be an integer within Int'],
      ['f: Long @constraint(max: §9223372036854775808)', 'max of Long must be an integer within Long'],
      ['f: Float @constraint(max: §1e400)', 'max of Float must be a number of 64 bits'],
      ['f: Float @constraint(multipleOf: §0)', 'multipleOf must be greater than 0'],
      [
        'f: Int @constraint(min: 5, max: §4)',
        'no value is left: min is 5, and max is 4 | write a higher max, or a lower min',
      ],
      [
        'f: Int @constraint(min: 5, exclusiveMax: §5)',
        'no value is left: min is 5, and exclusiveMax is 5 | write a higher exclusiveMax, or a lower min',
      ],
      [
        'f: Long @constraint(min: 9223372036854775807, max: §9223372036854775806)',
        'no value is left: min is 9223372036854775807, and max is 9223372036854775806 | write a higher max, or a lower min',
      ],
      [
        'f: String @constraint(minLength: 3, maxLength: §2)',
        'no value is left: minLength is 3, and maxLength is 2 | write a higher maxLength, or a lower minLength',
      ],
      [
        'f: [Int] @constraint(minItems: 3, maxItems: §2)',
        'no value is left: minItems is 3, and maxItems is 2 | write a higher maxItems, or a lower minItems',
      ],
      ['f: String @constraint(format: §"e-mail")', 'unknown format "e-mail" | did you mean "email"?'],
      ['f: String @constraint(format: §telephone)', `unknown format "telephone" | ${NAMED}`],
      [
        'f: String @constraint(pattern: §"(?=a)")',
        'the pattern looks ahead or behind, which takes no linear time | leave out (?=, (?!, (?<=, (?<!',
      ],
      [
        'f: String @constraint(pattern: §"(a)\\\\1")',
        'the pattern refers to one of its groups, which takes no linear time | leave out \\1',
      ],
      [
        'f: String @constraint(pattern: §"[a-z]{1,900}")',
        'the pattern compiles to 1801 instructions, and 1000 are allowed | shorten its repetitions: write the length as minLength and maxLength',
      ],
      [
        'f: String @constraint(pattern: §"a[^]")',
        'the pattern has an empty class, [] or [^] | write [\\s\\S] for any character',
      ],
      [
        'f: String @constraint(§maxlength: 3)',
        'unknown argument "maxlength" of @constraint | did you mean "maxLength"?',
      ],
      [
        'f: Int @constraint(max: 3) @default(value: §4)',
        'the default breaks the constraint of f: it must be at most 3',
      ],
      [
        'f: [String!] @constraint(maxLength: 1) @default(value: §["a", "bc"])',
        'the default breaks the constraint of f[1]: it must have at most 1 character',
      ],
      [
        'f: Place @default(value: §{city: "London"})',
        'the default breaks the constraint of f.city: it must have at most 5 characters',
      ],
    ].slice(0, -1),
  )('%s', (field, sentence) => {
    const { text, places } = readMarks(sdl(field));
    expect(mistakesOf(text)).toEqual([`${places[0]} ${sentence}`]);
  });

  test('a pattern that does not compile', () => {
    const { text, places } = readMarks(sdl('f: String @constraint(pattern: §"a(b")'));
    expect(mistakesOf(text)).toEqual([
      expect.stringMatching(`^${places[0]} the pattern does not compile: Unterminated group`),
    ]);
  });

  test('a pattern of more than 1000 characters', () => {
    const { text, places } = readMarks(sdl(`f: String @constraint(pattern: §"${'a'.repeat(1001)}")`));
    expect(mistakesOf(text)).toEqual([`${places[0]} a pattern has at most 1000 characters | this one is longer`]);
  });

  test('on a field that the server sets', () => {
    const { text, places } = readMarks(sdl('made: Long @createdTime §@constraint(min: 1)'));
    expect(mistakesOf(text)).toEqual([`${places[0]} @createdTime and @constraint exclude each other`]);
  });

  test('on a relation', () => {
    const { text, places } = readMarks(sdl('f: T @relationship(from: "name") §@constraint(minLength: 1)'));
    expect(mistakesOf(text)).toEqual([
      `${places[0]} @constraint does not work on a relation | a relation is not stored`,
    ]);
  });
});

test('rules of @check name their fields, in the order of the schema', () => {
  const { checks } = tableOf(
    sdl(
      '',
      '@check(rule: "endsAt > startsAt", message: "must end after it starts") @check(rule: " twice < 10 || stock == null")',
    ),
  );
  expect(checks).toMatchObject([
    { rule: 'endsAt > startsAt', message: 'must end after it starts', uses: ['endsAt', 'startsAt'] },
    { rule: 'twice < 10 || stock == null', uses: ['twice', 'stock'] },
  ]);
});

describe('an error of @check is reported with its location', () => {
  test.each(
    [
      ['@check(rule: "endsAt > §startAt")', 'type "T" has no stored field "startAt" | did you mean "startsAt"?'],
      [
        '@check(rule: "§stock + 1")',
        'a rule must be a boolean, and this one is an integer | compare fields: endsAt > startsAt',
      ],
      ['@check(rule: "§1 < 2")', 'a rule names a field of the type | such as endsAt > startsAt'],
      [
        '@check(rule: "endsAt §> name")',
        "> does not work on a Date and a string | make the string a Date: date('2025-01-31')",
      ],
      ['@check(rule: "§any == 1")', 'a rule cannot look into "any" of type JSON'],
      ['@check(rule: "§place == 1")', 'a rule cannot look into "place" of type Place'],
      ['@check(rule: "§other == 1")', 'field "other" is a relation, which is not stored'],
      ['§@check', '@check needs the argument "rule" | write @check(rule: …)'],
      ['@check(rule: "stock > 0") §@check(rule: "stock > 0", message: "x")', 'the rule "stock > 0" is given twice'],
    ].filter(([, sentence]) => sentence !== ''),
  )('%s', (type, sentence) => {
    const { text, places } = readMarks(sdl('', type));
    expect(mistakesOf(text)).toEqual([`${places[0]} ${sentence}`]);
  });

  test('on a type without @table', () => {
    const { text, places } = readMarks(
      'type A §@check(rule: "a > 1") { a: Int } type T @table { id: ID! @primaryKey a: A }',
    );
    expect(mistakesOf(text)).toEqual([`${places[0]} @check needs @table: type "A" is not a table`]);
  });
});

test('the schema and the rules of the documentation are valid', () => {
  const text = readFileSync(new URL('../../docs/reference/schema/constraints.md', import.meta.url), 'utf8');
  const [, schema = ''] = /```graphql\n([\s\S]*?)```/.exec(text) ?? [];
  expect(tableOf(schema).checks).toHaveLength(2);
  const [, section = ''] = /## Rules of records([\s\S]*?)## Records/.exec(text) ?? [];
  const rules = [...section.matchAll(/^\| `(.*?)` \|/gm)].map(([, rule = '']) => rule.replaceAll('\\|', '|'));
  expect(rules).toHaveLength(4);
  const fields =
    'status: String buyerId: ID price: Float tags: [String] seats: Int booked: Int startsAt: Date endsAt: Date';
  for (const rule of rules) {
    const { checks } = tableOf(`type T @table @check(rule: "${rule}") { id: ID! @primaryKey ${fields} }`);
    expect(checks, rule).toHaveLength(1);
  }
  const formats = [...text.matchAll(/^\| (`[a-z`, \d-]+) \| `/gm)].flatMap(
    ([, names = '']) => names.match(/[a-z\d-]+/g) ?? [],
  );
  expect(formats).toEqual(expect.arrayContaining([...FORMATS.keys()]));
});
