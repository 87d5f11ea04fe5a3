// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions have templates of their own.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FUNCTIONS } from '../../src/schema/expression/functions.ts';
import { planMigration } from '../../src/schema/migration/diff.ts';
import { describeStored, describeTable } from '../../src/schema/migration/stored.ts';
import { mistakesOf, planOf, readMarks, tableOf } from './mistakes.ts';

const sdl = (field: string) => `enum Size { small large }
type Place { city: String }
type T @table {
  id: ID! @primaryKey
  name: String!
  price: Float
  count: Int
  big: Long
  ok: Boolean
  at: Date @updatedTime
  size: Size
  tags: [String!]
  sizes: [[Int]]
  place: Place
  any: JSON
  other: T @relationship(from: "name")
  also: String @computed(from: "upper(name)")
  ${field}
}`;

test.each([
  ['f: String @computed(from: "name")', ['name']],
  ['f: ID @computed(from: "`${id}/${count}/${at}`")', ['id', 'count', 'at']],
  ['f: String @computed(from: "at")', ['at']],
  ['f: String @computed(from: "size")', ['size']],
  ['f: Float @computed(from: "price * count")', ['price', 'count']],
  ['f: Float @computed(from: "count")', ['count']],
  ['f: Int @computed(from: "round(price)") @indexed', ['price']],
  ['f: Long @computed(from: "big % 7") @unique', ['big']],
  ['f: Boolean @computed(from: "ok && price > 1") @hidden', ['ok', 'price']],
  ['f: Date @computed(from: "at ?? date(name)")', ['at', 'name']],
  ['f: Size @computed(from: "price > 10 ? \'large\' : size")', ['price', 'size']],
  ['f: Int @computed(from: "length(tags) + length(sizes)")', ['tags', 'sizes']],
  ['f: String @computed(from: "null")', []],
  ['f: Long @computed(from: "count + 1000") @expiresAt', ['count']],
  ['f: String @computed(from: """\n  name + "!"\n""") @indexed(type: "fulltext")', ['name']],
])('%s', (field, uses) => {
  expect(tableOf(sdl(field)).fields.at(-1)?.computed?.uses).toEqual(uses);
});

describe('an error is reported with its location', () => {
  test.each([
    ['f: String @computed(from: "name + §nam")', 'type "T" has no stored field "nam" | did you mean "name"?'],
    ['f: String @computed(from: "name +§")', 'expected a value, found the end'],
    ['f: String @computed(from: "§f + name")', 'field "f" is computed from itself'],
    [
      'f: String @computed(from: "name + §also")',
      'field "also" is computed itself | write its expression here, in brackets',
    ],
    ['f: String @computed(from: "§other")', 'field "other" is a relation, which is not stored'],
    ['f: String @computed(from: "string(§any)")', 'an expression cannot look into "any" of type JSON'],
    ['f: String @computed(from: "§place")', 'an expression cannot look into "place" of type Place'],
    ['f: String @computed(from: "§count")', 'the expression gives an integer, and "f" is String | write string(…)'],
    [
      'f: Int @computed(from: "§price * 2")',
      'the expression gives a number, and "f" is Int | make it whole: round(…), floor(…) or ceil(…)',
    ],
    ['f: Date @computed(from: "§name")', 'the expression gives a string, and "f" is Date | write date(…)'],
    ['f: Boolean @computed(from: "§name")', 'the expression gives a string, and "f" is Boolean'],
    [
      'f: §String! @computed(from: "name")',
      'a computed field cannot be required: where its expression has no value it is null | write f: String',
    ],
    ['f: [String] §@computed(from: "name")', '@computed does not work on type [String] | only on single values'],
    ['f: JSON §@computed(from: "name")', '@computed does not work on type JSON | only on single values'],
    ['f: String §@computed', '@computed needs the argument "from" | write @computed(from: …)'],
    ['f: String @computed(from: §7)', 'argument "from" of @computed expects a string in double quotes'],
    ['f: String @default(value: "x") §@computed(from: "name")', '@default and @computed exclude each other'],
    ['f: Date @createdTime §@computed(from: "at")', '@createdTime and @computed exclude each other'],
    ['f: String §@compute(from: "name")', 'unknown directive "@compute" | did you mean "@computed"?'],
    [
      'f: String @computed(from: §"name + \\"x\\" + nam")',
      'type "T" has no stored field "nam" (character 14 of the expression) | did you mean "name"?',
    ],
    [
      'f: String @computed(from: §"""\n  nam\n""")',
      'type "T" has no stored field "nam" (character 1 of the expression) | did you mean "name"?',
    ],
  ])('%s', (field, message) => {
    const { text, places } = readMarks(sdl(field));
    expect(mistakesOf(text)).toEqual([`${places.at(-1)} ${message}`]);
  });

  test('a circle of two', () => {
    const { text, places } = readMarks(
      'type C @table { id: ID! @primaryKey a: Int @computed(from: "§b + 1") b: Int @computed(from: "§a + 1") }',
    );
    const hint = 'write its expression here, in brackets';
    expect(mistakesOf(text)).toEqual([
      `${places[0]} field "b" is computed itself | ${hint}`,
      `${places[1]} field "a" is computed itself | ${hint}`,
    ]);
  });

  test('on the primary key', () => {
    const text = 'type T @table { id: ID! @primaryKey @computed(from: "name") name: String }';
    expect(mistakesOf(text)).toContainEqual(expect.stringContaining('@primaryKey and @computed exclude each other'));
  });
});

describe('the migration', () => {
  const steps = (before: string, after: string) =>
    planMigration(describeStored(planOf(before)), planOf(after)).map(({ type, destructive }) => [type, destructive]);
  const with_ = (f: string, count = 'Int') => `type T @table { id: ID! @primaryKey name: String count: ${count} ${f} }`;

  test.each([
    ['', 'f: String @computed(from: "name")', [['add-column', false]]],
    ['f: String @computed(from: "name")', 'f: String @computed(from: " name ")', []],
    ['f: String @computed(from: "name")', 'f: String @computed(from: "upper(name)")', [['recompute', false]]],
    ['f: String', 'f: String @computed(from: "name")', [['recompute', true]]],
    [
      'f: String!',
      'f: String @computed(from: "name")',
      [
        ['recompute', true],
        ['make-nullable', false],
      ],
    ],
    ['f: Int @computed(from: "count")', 'f: Float @computed(from: "count")', [['recompute', false]]],
    ['f: String @computed(from: "name")', 'f: Int @computed(from: "count")', [['recompute', false]]],
    ['f: String @computed(from: "name")', 'f: String', []],
  ])('%s then %s', (before, after, expected) => {
    expect(steps(with_(before), with_(after))).toEqual(expected);
  });

  test('a change of the kind of a field in it changes the expression', () => {
    const f = 'f: String @computed(from: "string(count)")';
    expect(steps(with_(f), with_(f, 'Float'))).toEqual([
      ['change-type', false],
      ['recompute', false],
    ]);
    expect(steps(with_(f), with_(f, 'Long'))).toEqual([['change-type', false]]);
  });

  test('a schema stored without it has no signature', () => {
    expect(JSON.stringify(describeTable(tableOf(with_(''))))).not.toContain('computed');
  });
});

test('the documentation names every function, and its schema is one', () => {
  const text = readFileSync(new URL('../../docs/reference/schema/computed-fields.md', import.meta.url), 'utf8');
  const [, table = ''] = /\| function \| result \|\n((?:\|.*\n)+)/.exec(text) ?? [];
  const named = [...table.matchAll(/`(\w+)\(/g)].map(([, name]) => name);
  expect(new Set(named)).toEqual(new Set(FUNCTIONS.keys()));
  const [, schema = ''] = /```graphql\n([\s\S]*?)```/.exec(text) ?? [];
  expect(tableOf(schema).fields.filter(({ computed }) => computed !== undefined)).toHaveLength(3);
});
