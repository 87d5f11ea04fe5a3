import { describe, expect, test } from 'vitest';
import { describeStored, planMigration, type StoredSchema } from '../../src/schema/migration/diff.ts';
import { renameType, renameValue } from '../../src/schema/migration/renames.ts';
import { mistakesOf, planOf, tableOf } from './mistakes.ts';

const KEY = 'id: ID! @primaryKey';
const table = (fields: string, directives = '') => `type T @table ${directives} { ${KEY} ${fields} }`;

function stepsOf(before: string, after: string): string[] {
  const stored = JSON.parse(JSON.stringify(describeStored(planOf(before)))) as StoredSchema;
  return planMigration(stored, planOf(after)).map(({ sentence }) => sentence);
}

describe('@renamedFrom', () => {
  test('is in the plan of types, fields and enums, the latest name first', () => {
    const plan = tableOf(
      `enum E { a b @renamedFrom(name: "B") }
      ${table('now: E @renamedFrom(name: "then") @renamedFrom(name: "before")', '@renamedFrom(name: "Old")')}`,
    );
    const field = plan.fields.find(({ name }) => name === 'now');
    expect(plan.renamedFrom).toEqual(['Old']);
    expect(field?.renamedFrom).toEqual(['then', 'before']);
    expect(field?.type).toEqual({ kind: 'enum', name: 'E', values: ['a', 'b'], renamedFrom: { b: ['B'] } });
  });

  test.each([
    [
      'a field that is still there',
      table('a: Int b: Int @renamedFrom(name: "a")'),
      /field "a" is still there beside "b"/,
    ],
    ['the own name', table('b: Int @renamedFrom(name: "b")'), /field "b" has that name now/],
    [
      'one name on two fields',
      table('a: Int @renamedFrom(name: "x") b: Int @renamedFrom(name: "X")'),
      /fields "a" and "b" both have the earlier name "X"/,
    ],
    ['one name twice', table('a: Int @renamedFrom(name: "x") @renamedFrom(name: "x")'), /"x" is named twice/],
    [
      'two fields that change places',
      table('a: Int @renamedFrom(name: "b") b: Int @renamedFrom(name: "a")'),
      /still there/,
    ],
    [
      'a type that is still there',
      `${table('')} type U @table @renamedFrom(name: "T") { ${KEY} }`,
      /type "T" is still there/,
    ],
    [
      'one name on two types',
      `${table('', '@renamedFrom(name: "X")')} type U @table @renamedFrom(name: "X") { ${KEY} }`,
      /types "T" and "U" both have the earlier name "X"/,
    ],
    ['a nested type', `type N @renamedFrom(name: "M") { x: Int } ${table('n: N')}`, /@renamedFrom needs @table/],
    [
      'a member that is still there',
      `type N { x: Int y: Int @renamedFrom(name: "x") } ${table('n: N')}`,
      /still there/,
    ],
    [
      'an enum value that is still there',
      `enum E { a b @renamedFrom(name: "a") } ${table('e: E')}`,
      /value "a" is still there/,
    ],
    ['no name', table('a: Int @renamedFrom'), /@renamedFrom needs the argument "name"/],
  ])('is an error with %s', (_, sdl, message) => {
    expect(mistakesOf(sdl).join('\n')).toMatch(message);
  });

  test('may name the same field in another case', () => {
    expect(tableOf(table('Title: Int @renamedFrom(name: "title")')).fields[1]?.renamedFrom).toEqual(['title']);
  });
});

describe('the steps of a renamed schema', () => {
  test('keep table, columns and indexes, and are none at the next start', () => {
    const before =
      'type Card @table @compositeIndex(fields: ["a", "b"]) { id: ID! @primaryKey a: Int @indexed b: Int }';
    const after = `type T @table @renamedFrom(name: "Card") @compositeIndex(fields: ["a2", "b"]) {
      key: ID! @primaryKey @renamedFrom(name: "id") a2: Int @indexed @renamedFrom(name: "a") b: Int }`;
    expect(stepsOf(before, after)).toEqual([
      'rename table data.Card to data.T, with its log',
      'rename column data.T.id to key',
      'rename column data.T.a to a2',
    ]);
    expect(stepsOf(after, after)).toEqual([]);
  });

  test('follow the stored name of a type', () => {
    const before = `type Card @table(database: "shop", table: "cards") { ${KEY} }`;
    expect(stepsOf(before, table('', '@renamedFrom(name: "Card")'))).toEqual([
      'rename table shop.cards to data.T, with its log',
    ]);
    expect(
      stepsOf(before, `type T @table(database: "shop", table: "cards") @renamedFrom(name: "Card") { ${KEY} }`),
    ).toEqual([]);
  });

  test('note a name that nothing has', () => {
    expect(stepsOf(table(''), table('b: Int @renamedFrom(name: "a")'))).toEqual([
      'T.b is new: nothing is stored as "a", which @renamedFrom names',
      'add column data.T.b (null in existing records)',
    ]);
    expect(stepsOf(table(''), `${table('')} type U @table @renamedFrom(name: "X") { ${KEY} }`)).toEqual([
      'create table data.U',
      'U is new: nothing is stored as "X", which @renamedFrom names',
    ]);
  });

  test('find the first of several names that is stored', () => {
    const after = table('c: Int @renamedFrom(name: "b") @renamedFrom(name: "a")');
    expect(stepsOf(table('a: Int'), after)).toEqual(['rename column data.T.a to c']);
    expect(stepsOf(table('b: Int'), after)).toEqual(['rename column data.T.b to c']);
  });

  test('convert a renamed field', () => {
    expect(stepsOf(table('a: Int'), table('b: Long! @renamedFrom(name: "a")'))).toEqual([
      'rename column data.T.a to b',
      'change the type of data.T.b from Int to Long: every stored value fits',
      'make data.T.b required: possible only while no record has null there',
    ]);
  });

  test('rename values of enums and members of nested types at any depth', () => {
    const before = `enum E { A B } type M { e: E } type N { x: Int m: [M!] } ${table('n: [N] e: E')}`;
    const after = `enum E { a @renamedFrom(name: "A") B } type M { mood: E @renamedFrom(name: "e") }
      type N { y: Int @renamedFrom(name: "x") m: [M!] } ${table('n: [N] e: E')}`;
    expect(stepsOf(before, after)).toEqual([
      'rename values in data.T.n, or members of them, as the schema says',
      'rename values in data.T.e, or members of them, as the schema says',
    ]);
    const from = describeStored(planOf(before)).tables[0]?.columns[1]?.type;
    const to = tableOf(after).fields[1]?.type;
    if (from === undefined || to === undefined) throw new Error('the field is missing');
    expect(renameValue([null, { x: 1, m: [{ e: 'A' }, { e: 'B' }] }], from, to)).toEqual([
      null,
      { y: 1, m: [{ mood: 'a' }, { mood: 'B' }] },
    ]);
    expect(renameType(renameType(from, to), to)).toEqual(renameType(from, to));
    expect(stepsOf(after, after)).toEqual([]);
  });
});
