import { describe, expect, test } from 'vitest';
import { MigrationRefusedError } from '../../../src/store/open-errors.ts';
import { previewSqliteMigration } from '../../../src/store/sqlite/migrate/preview.ts';
import { planOf } from '../../schema/mistakes.ts';
import { insert, onlyTable, StoreFolder } from '../stores.ts';

const schema = (fields: string, type = '') => `type T @table ${type} { id: ID! @primaryKey ${fields} }`;

function stored(sdl: string, ...records: readonly (readonly (string | number | bigint | null)[])[]): StoreFolder {
  const folder = new StoreFolder();
  const open = folder.open(sdl);
  insert(open, ...records.map((cells, index) => [`r${index + 1}`, ...cells]));
  return folder;
}

function refusalOf(folder: StoreFolder, sdl: string): string {
  try {
    folder.open(sdl);
  } catch (error) {
    if (error instanceof MigrationRefusedError) return error.message;
    throw error;
  }
  return 'not refused';
}

describe('records that break a new constraint', () => {
  test('are counted, with their keys, their values and what is wrong, and the start is refused', () => {
    const folder = stored(schema('title: String'), ['ok'], [''], [null], ['x'.repeat(50)], ['long title'], ['another']);
    const before = folder.contents();
    const sdl = schema('title: String @constraint(minLength: 1, maxLength: 5)');
    const refusal = refusalOf(folder, sdl);
    expect(refusal).toContain('require the constraint of data.T.title: possible only while every record meets it');
    expect(refusal).toContain(
      `NOT POSSIBLE: 4 records break it ("r2": "" must have at least 1 character; "r4": "${'x'.repeat(38)}… must have at most 5 characters; "r5": "long title" must have at most 5 characters; …)`,
    );
    expect(refusal).toContain('Change these records first, or loosen the constraint.');
    expect(folder.contents()).toEqual(before);
    const preview = previewSqliteMigration(planOf(sdl), { dir: folder.dir, allowed: true });
    expect(preview).toMatchObject({ impossible: true, refusal: expect.stringContaining('4 records break it') });
  });

  test.each([
    ['a: Int', 'a: Int @constraint(multipleOf: 3)', [3], [4], '1 record breaks it ("r2": 4 must be a multiple of 3)'],
    [
      'a: Long',
      'a: Long @constraint(max: 9007199254740993)',
      [2n ** 53n + 1n],
      [2n ** 53n + 2n],
      '("r2": "9007199254740994" must be at most 9007199254740993)',
    ],
    [
      'a: [String]',
      'a: [String] @constraint(uniqueItems: true)',
      ['["a","b"]'],
      ['["a","a"]'],
      '("r2": ["a","a"] is the same as a[0]',
    ],
    ['a: String', 'a: Int @constraint(max: 9)', ['9'], ['10'], '("r2": 10 must be at most 9)'],
    ['a: Int', 'a: Int b: Int @computed(from: "a * 2") @constraint(max: 9)', [4], [5], '("r2": 10 must be at most 9)'],
    ['a: Int @constraint(max: 20)', 'a: Int @constraint(max: 9)', [9], [10], '("r2": 10 must be at most 9)'],
  ])('%s becomes %s', (...[before, after, good, bad, found]) => {
    expect(stored(schema(before), good).open(schema(after)).notices.join()).toContain('require the constraint');
    expect(refusalOf(stored(schema(before), good, bad), schema(after))).toContain(found);
  });

  test('in nested types, and of the key', () => {
    const nested = (word: string) => `type P { x: Int ${word} } type T @table { id: ID! @primaryKey p: [P!] }`;
    expect(refusalOf(stored(nested(''), ['[{"x":1},{"x":7}]']), nested('@constraint(max: 5)'))).toContain(
      '"r1": [{"x":1},{"x":7}] must be at most 5',
    );
    const key = schema('').replace('@primaryKey', '@primaryKey @constraint(maxLength: 1)');
    expect(refusalOf(stored(schema(''), []), key)).toContain(
      '1 record breaks it ("r1": "r1" must have at most 1 character)',
    );
  });
});

describe('records that break a new rule', () => {
  const RULE = '@check(rule: "ends > starts")';

  test('are counted, with the values of its fields', () => {
    const folder = stored(schema('starts: Int ends: Int'), [1, 2], [2, 2], [5, null], [9, 1]);
    const refusal = refusalOf(folder, schema('starts: Int ends: Int', RULE));
    expect(refusal).toContain('require "ends > starts" of data.T: possible only while every record meets it');
    expect(refusal).toContain('NOT POSSIBLE: 2 records break it ("r2": ends 2, starts 2; "r4": ends 1, starts 9)');
    expect(refusal).toContain('Change these records first, or leave out the rule.');
  });

  test('are found again when a field of the rule changes', () => {
    const folder = stored(schema('starts: Int ends: Int', RULE), [1, null]);
    expect(refusalOf(folder, schema('starts: Int ends: Int! @default(value: 0)', RULE))).toContain(
      '1 record breaks it',
    );
  });
});

test('an unchanged or loosened schema reads no records', () => {
  const folder = stored(schema('a: Int @constraint(min: 1, max: 5) b: Int', '@check(rule: "a > b")'), [3, 2]);
  expect(folder.open(schema('a: Int @constraint(min: 1, max: 5) b: Int', '@check(rule: "a > b")')).notices).toEqual([]);
  expect(folder.open(schema('a: Int @constraint(max: 6) b: Int')).notices).toEqual([]);
  expect(onlyTable(folder.open(schema('a: Int b: Int'))).checks).toEqual([]);
});

test('a constraint moves no position, and clients go on', () => {
  const folder = stored(schema('a: Int'), [3]);
  const open = folder.open(schema('a: Int'));
  const floor = open.store.resumeFloor(onlyTable(open));
  const after = folder.open(schema('a: Int @constraint(max: 5)'));
  expect(after.store.resumeFloor(onlyTable(after))).toBe(floor);
});
