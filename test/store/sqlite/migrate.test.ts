import { describe, expect, test } from 'vitest';
import { MigrationRefusedError } from '../../../src/store/open-errors.ts';
import type { Allowance, Cell } from '../../../src/store/store.ts';
import { insert, onlyTable, records, StoreFolder } from '../stores.ts';

const TYPES = `
  enum Two { a b }
  enum Three { a b c }
  type N { x: Int! y: String }
  type M { x: Long! y: String z: Int @default(value: 7) }
  type Short { x: Int! }
  type Strict { x: Int! w: Int! }
  type Filled { x: Int! y: String land: String! @default(value: "CH") }
  type Whole { x: Int! y: String! @default(value: "none") }
  type Wide { x: String! y: String }
`;

function schema(fields: string, table = ''): string {
  return `${TYPES} type T @table${table} { id: ID! @primaryKey ${fields} }`;
}

/** A store with rows of the table, given without the key: ids are r1, r2, … */
function stored(fields: string, ...cells: readonly (readonly Cell[])[]): StoreFolder {
  const folder = new StoreFolder();
  const open = folder.open(schema(fields));
  insert(open, ...cells.map((row, index) => [`r${index + 1}`, ...row]));
  folder.close();
  return folder;
}

function refusalOf(folder: StoreFolder, sdl: string, allowDestructive: Allowance = false): string {
  const before = folder.contents();
  try {
    folder.open(sdl, { allowDestructive });
  } catch (error) {
    if (!(error instanceof MigrationRefusedError)) throw error;
    expect(folder.contents()).toEqual(before);
    return error.message;
  }
  throw new Error('the schema was taken');
}

describe('a new store', () => {
  test('has the tables and indexes of the schema, and says so', () => {
    const folder = new StoreFolder();
    const { notices } = folder.open(schema('a: Int @indexed b: String @unique c: Date @expiresAt'));
    expect(notices).toEqual(['create table data.T']);
    expect(folder.contents().objects).toMatchObject(
      [
        'data/T',
        'data/T.a',
        'data/T.b',
        'data/T:expires',
        'data/T:log',
        'tablecast_idempotency',
        'tablecast_idempotency.expires',
        'tablecast_meta',
      ].map((name) => ({ name })),
    );
  });

  test('needs nothing at the next start', () => {
    const folder = new StoreFolder();
    const sdl = schema('a: Int! @indexed b: [N!] c: Date @expiresAt d: Float @default(value: 1.5)', '(expiration: 60)');
    folder.open(sdl);
    const before = folder.contents();
    expect(folder.open(sdl).notices).toEqual([]);
    expect(folder.contents()).toEqual(before);
  });

  test('uses the index of a field', () => {
    const folder = new StoreFolder();
    folder.open(schema('a: Int @indexed'));
    const [plan] = folder.query('EXPLAIN QUERY PLAN SELECT * FROM "data/T" WHERE a = 1');
    expect(plan?.detail).toContain('USING INDEX data/T.a');
  });

  test('refuses a second record with the value of a unique field, naming the field', () => {
    const folder = new StoreFolder();
    const open = folder.open(schema('mail: String @unique'));
    insert(open, ['1', 'x'], ['2', null], ['3', null]);
    expect(() => insert(open, ['4', 'x'])).toThrow(
      expect.objectContaining({
        code: 'CONFLICT',
        errors: [{ field: 'mail', message: 'is taken by another record' }],
      }),
    );
  });
});

describe('what can be added is added by itself', () => {
  test('a nullable column is added', () => {
    const folder = stored('a: Int', [1]);
    const open = folder.open(schema('a: Int b: String'));
    expect(open.notices).toEqual(['add column data.T.b (null in existing records)']);
    expect(records(open)).toEqual([{ id: 'r1', a: 1, b: null }]);
    insert(open, ['r2', 2, 'two']);
    expect(records(folder.open(schema('a: Int b: String')))).toContainEqual({ id: 'r2', a: 2, b: 'two' });
  });

  test.each([
    ['String! @default(value: "it\'s")', "it's"],
    ['Int! @default(value: -3)', -3],
    ['Long @default(value: "9007199254740993")', '9007199254740993'],
    ['Long @default(value: "-9223372036854775808")', '-9223372036854775808'],
    ['Float! @default(value: 2)', 2],
    ['Boolean! @default(value: true)', true],
    ['Date @default(value: "2025-01-01")', '2025-01-01T00:00:00.000Z'],
    ['Two! @default(value: b)', 'b'],
    ['[Int] @default(value: [1, null])', [1, null]],
    ['M @default(value: {x: 1})', { x: 1, y: null, z: 7 }],
    ['JSON @default(value: "text")', 'text'],
  ])('a column of type %s', (type, value) => {
    const folder = stored('a: Int', [1]);
    expect(records(folder.open(schema(`a: Int f: ${type}`)))).toEqual([{ id: 'r1', a: 1, f: value }]);
  });

  test('a column for the time of the last change is added with that time', () => {
    const folder = stored('a: Int', [1]);
    const open = folder.open(schema('a: Int at: Date! @createdTime ms: Float! @updatedTime'));
    const [record] = records(open) as { at: string; ms: number }[];
    const [page] = open.store.page(onlyTable(open), undefined, 1);
    expect(record?.ms).toBe(Math.trunc((page?.seq ?? 0) / 1000));
    expect(record?.at).toBe(new Date(record?.ms ?? 0).toISOString());
  });

  test('a required column without a default is added while there are no records', () => {
    const folder = stored('a: Int');
    const open = folder.open(schema('a: Int b: String!'));
    expect(() => insert(open, ['r1', 1, null])).toThrow();
    insert(open, ['r1', 1, 'b']);
    expect(records(open)).toEqual([{ id: 'r1', a: 1, b: 'b' }]);
  });

  test('an index and a unique index are made, and removed again', () => {
    const folder = stored('a: Int b: Int', [1, 1], [1, 2]);
    const indexes = () => folder.query("SELECT name FROM sqlite_master WHERE name LIKE 'data/T.%'");
    folder.open(schema('a: Int @indexed b: Int @unique'));
    expect(indexes()).toEqual([{ name: 'data/T.a' }, { name: 'data/T.b' }]);
    folder.open(schema('a: Int b: Int @indexed'));
    expect(indexes()).toEqual([{ name: 'data/T.b' }]);
    insert(folder.open(schema('a: Int b: Int')), ['r3', 1, 2]);
    expect(indexes()).toEqual([]);
  });

  test('a new column is added with its index', () => {
    const folder = stored('a: Int', [1], [2]);
    const open = folder.open(schema('a: Int b: Int @unique'));
    insert(open, ['x', 1, 5]);
    expect(() => insert(open, ['y', 1, 5])).toThrow('b: is taken by another record.');
  });

  test('a field may become nullable, and required again while no record has null', () => {
    const folder = stored('a: Int!', [1]);
    insert(folder.open(schema('a: Int')), ['r2', null]);
    insert(folder.open(schema('a: Int')), ['r3', 3]);
    expect(refusalOf(folder, schema('a: Int!'))).toContain('1 record ("r2") has null there');
    const open = folder.open(schema('a: Int'));
    open.store.commit([[{ type: 'delete', table: onlyTable(open), id: 'r2' }]]);
    expect(() => insert(folder.open(schema('a: Int!')), ['r4', null])).toThrow('a: cannot be stored.');
  });

  test.each<[string, string, Cell, unknown]>([
    ['Int', 'Long', 5, 5],
    ['Int', 'Float', 5, 5],
    ['ID', 'String', 'x', 'x'],
    ['Two', 'Three', 'a', 'a'],
    ['Two', 'String', 'a', 'a'],
    ['[Int!]', '[Int]', '[1]', [1]],
    ['N', 'M', '{"x":1,"y":"u"}', { x: 1, y: 'u', z: 7 }],
    ['[N]', '[M]', '[{"x":1,"y":null},null]', [{ x: 1, y: null, z: 7 }, null]],
    ['N', 'JSON', '{"x":1,"y":null}', { x: 1, y: null }],
  ])('values of %s as %s', (before, after, cell, value) => {
    const folder = stored(`f: ${before} k: Int @unique`, [cell, 1], [null, 2]);
    const open = folder.open(schema(`f: ${after} k: Int @unique`));
    expect(records(open)).toEqual([
      { id: 'r1', f: value, k: 1 },
      { id: 'r2', f: null, k: 2 },
    ]);
    expect(() => insert(open, ['r3', null, 2])).toThrow('k: is taken');
  });

  test('a field that becomes a Float takes values between whole numbers', () => {
    const folder = stored('f: Int', [1]);
    const open = folder.open(schema('f: Float'));
    insert(open, ['r2', 1.5]);
    expect(records(open)).toEqual([
      { id: 'r1', f: 1 },
      { id: 'r2', f: 1.5 },
    ]);
  });

  test('an expiration is added, for the records that are there too', () => {
    const folder = stored('until: Date', ['2000-01-01T00:00:00.000Z'], [null]);
    const open = folder.open(schema('until: Date @expiresAt', '(expiration: 3600)'));
    expect(open.notices).toEqual([
      'remove records of data.T 3600 s after their last change, or when "until" has passed',
    ]);
    expect(open.store.expired(onlyTable(open), Date.now(), 10)).toEqual(['r1']);
    expect(open.store.expired(onlyTable(open), Date.now() + 3_700_000, 10)).toEqual(['r1', 'r2']);
    const without = folder.open(schema('until: Date'));
    expect(without.store.expired(onlyTable(without), Date.now(), 10)).toEqual([]);
    expect(records(without)).toHaveLength(2);
  });

  test('another table is made, and one that returns has its records', () => {
    const folder = stored('a: Int', [1]);
    const other = 'type Other @table { id: ID! @primaryKey }';
    const { notices, warnings } = folder.open(other);
    expect(notices).toEqual(['create table data.Other']);
    expect(warnings).toEqual([
      'the type T has left the schema; its records are kept, but not served: if it was renamed, write @table(database: "data", table: "T") on the new type; to delete the records, start once with --allow-destructive T',
    ]);
    expect(folder.open(other).warnings).toHaveLength(1);
    expect(records(folder.open(schema('a: Int')))).toEqual([{ id: 'r1', a: 1 }]);
  });

  test('a table that leaves does not take the newest position with it', () => {
    const folder = new StoreFolder();
    const other = 'type Other @table { id: ID! @primaryKey }';
    const both = folder.open(`${schema('a: Int')} ${other}`);
    insert(both, ['r1', 1]);
    const { lastSeq: head } = both.store;
    expect(folder.open(other).store.lastSeq).toBe(head);
  });

  test('a type, a table and a field in another case are the same ones', () => {
    const folder = stored('a: Int @unique', [1]);
    const open = folder.open('type t @table { id: ID! @primaryKey A: Int @unique }');
    expect(records(open)).toEqual([{ id: 'r1', A: 1 }]);
    expect(open.store.readLog(onlyTable(open), open.store.logStart(onlyTable(open)), 10)).toHaveLength(1);
    insert(open, ['r2', 2]);
    expect(() => insert(open, ['r3', 2])).toThrow('is taken by another record');
  });

  test('the log stays as it was, and goes on from there', () => {
    const folder = stored('a: Int', [1]);
    const before = folder.query('SELECT * FROM "data/T:log"');
    const open = folder.open(schema('a: Float! b: Int @default(value: 2)'));
    const table = onlyTable(open);
    expect(open.store.readLog(table, open.store.logStart(table), 10).map(({ data }) => data)).toEqual([
      '{"id":"r1","a":1}',
    ]);
    insert(open, ['r2', 1.5, 3]);
    const after = folder.query('SELECT * FROM "data/T:log"');
    expect(after.slice(0, 1)).toEqual(before);
    expect(after[1]?.seq).toBeGreaterThan(Number(before[0]?.seq));
  });

  test.each([
    ['a: Int b: String', true],
    ['a: Float', true],
    ['A: Int', true],
    ['', true],
    ['a: Int @hidden', true],
    ['a: Int b: Int @hidden', false],
    ['a: Int @indexed', false],
    ['a: Int! @unique', false],
  ])('after a change to %j earlier positions are those of other records: %s', (fields, isOther) => {
    const folder = stored('a: Int', [1]);
    const { lastSeq: head } = folder.open(schema('a: Int')).store;
    const open = folder.open(schema(fields), { allowDestructive: true });
    const { store } = open;
    const table = onlyTable(open);
    expect(store.resumeFloor(table) > head).toBe(isOther);
    expect(store.lastSeq).toBe(isOther ? store.resumeFloor(table) : head);
    expect(store.layoutSeq(table)).toBe(isOther ? store.resumeFloor(table) : 0);
    expect(store.logStart(table)).toBeLessThan(head);
    const again = folder.open(schema(fields));
    expect([again.store.lastSeq, again.store.resumeFloor(onlyTable(again))]).toEqual([
      store.lastSeq,
      store.resumeFloor(table),
    ]);
  });

  test('a field that is hidden no more is in records, but not in the log of before', () => {
    const folder = stored('a: Int @hidden', [1]);
    const { lastSeq: head } = folder.open(schema('a: Int @hidden')).store;
    const open = folder.open(schema('a: Int'));
    expect(open.notices).toEqual([]);
    expect(records(open)).toEqual([{ id: 'r1', a: 1 }]);
    expect(open.store.resumeFloor(onlyTable(open))).toBeGreaterThan(head);
  });

  test('seqs of records stay, so that what a client holds is still known', () => {
    const folder = stored('a: Int', [1]);
    const before = folder.query('SELECT id, _seq FROM "data/T"');
    folder.open(schema('a: Float'));
    expect(folder.query('SELECT id, _seq FROM "data/T"')).toEqual(before);
  });
});

describe('what loses data is refused until it is allowed', () => {
  test('a column that was removed is dropped only when it is allowed', () => {
    const folder = stored('a: String b: Int', ['one', 1], ['two', 2], ['three', 3], ['four', null]);
    expect(refusalOf(folder, schema('b: Int'))).toBe(
      [
        `The schema does not fit what is stored in ${folder.file}. Nothing was changed. The schema asks for:`,
        '',
        '  drop column data.T.a with its values',
        '    LOSES DATA: 4 records ("r1": "one", "r2": "two", "r3": "three", …)',
        '',
        'If that is intended, make a copy of the data and allow these steps by their names:',
        '  tablecast start --allow-destructive T.a',
      ].join('\n'),
    );
    const open = folder.open(schema('b: Int'), { allowDestructive: ['T.a'] });
    expect(open.notices).toEqual(['drop column data.T.a with its values']);
    expect(records(open)).toEqual([1, 2, 3, null].map((b, index) => ({ id: `r${index + 1}`, b })));
  });

  test('a column under a new name is refused, with what else would happen', () => {
    const folder = stored('title: String', ['x'.repeat(100)]);
    const refusal = refusalOf(folder, schema('name: String'));
    expect(refusal).toContain(
      `drop column data.T.title with its values\n    LOSES DATA: 1 record ("r1": "${'x'.repeat(38)}…)`,
    );
    expect(refusal).toContain('add column data.T.name (null in existing records) [1 record]');
    expect(refusal).toContain('If it was renamed to name, write on that field:\n      @renamedFrom(name: "title")');
  });

  test('nothing needs to be allowed where no value is lost', () => {
    const folder = stored('a: String b: Int c: String', [null, 1, null]);
    expect(records(folder.open(schema('b: Int c: Int')))).toEqual([{ id: 'r1', b: 1, c: null }]);
  });

  test('an addition waits with the loss: all or nothing', () => {
    const folder = stored('a: Int', [1]);
    refusalOf(folder, `${schema('')} type U @table { id: ID! @primaryKey }`);
    expect(folder.query("SELECT name FROM sqlite_master WHERE name = 'data/U'")).toEqual([]);
  });
});

describe('what does not fit is refused, with counts and examples', () => {
  test('a field cannot become required while records have null', () => {
    const folder = stored('a: Int', [null], [null], [null], [null], [5]);
    for (const allowed of [false, true]) {
      const refusal = refusalOf(folder, schema('a: Int!', ' @export'), allowed);
      expect(refusal).toContain('NOT POSSIBLE: 4 records ("r1", "r2", "r3", …) have null there');
      expect(refusal).toContain(
        'Give the field a @default(value: …), leave out the "!", or write a value into these records first\n',
      );
      expect(refusal).toContain('PATCH /my-app/T?a==null with {"a": …}, while the previous schema is served');
      expect(refusal).not.toContain('--allow-destructive');
    }
  });

  test('a required field without a default cannot be added to records', () => {
    const folder = stored('a: Int', [1]);
    for (const allowed of [false, true]) {
      const refusal = refusalOf(folder, schema('a: Int b: Int!'), allowed);
      expect(refusal).toContain('NOT POSSIBLE: 1 record ("r1")');
      expect(refusal).toContain('@default');
    }
  });

  test('a field cannot become unique while two records have the same value', () => {
    const folder = stored('a: String', ['x'], ['x'], ['x'], ['y'], ['y'], ['z'], [null], [null]);
    for (const allowed of [false, true]) {
      const refusal = refusalOf(folder, schema('a: String @unique'), allowed);
      expect(refusal).toContain('NOT POSSIBLE: 2 values are there more than once ("x" in 3 records, "y" in 2 records)');
    }
  });

  test('a unique field cannot get a default for many records', () => {
    const folder = stored('a: Int', [1], [2]);
    const refusal = refusalOf(folder, schema('a: Int b: Int @default(value: 1) @unique'));
    expect(refusal).toContain('1 value is there more than once (1 in 2 records)');
  });

  test('a unique field cannot change its type while that makes values equal', () => {
    const folder = stored('a: Float @unique', [1], [2]);
    expect(records(folder.open(schema('a: Int @unique'), { allowDestructive: true }))).toHaveLength(2);
    const texts = stored('a: String', ['2025-01-01'], ['2025-01-01T00:00Z']);
    const there = stored('a: String @unique', ['2025-01-01'], ['2025-01-01T00:00Z']);
    expect(refusalOf(there, schema('a: Date @unique'), true)).toContain('in 2 records');
    const refusal = refusalOf(texts, schema('a: Date @unique'), true);
    expect(refusal).toContain('1 value is there more than once ("2025-01-01T00:00:00.000Z" in 2 records)');
  });

  test.each([
    ['another field', 'type T @table { id: ID! key: ID! @primaryKey }'],
    ['another type', 'type T @table { id: Int! @primaryKey }'],
  ])('another primary key: %s', (_, sdl) => {
    const folder = stored('', [], []);
    for (const allowed of [false, true]) {
      const refusal = refusalOf(folder, sdl, allowed);
      expect(refusal).toContain('the primary key of data.T cannot change');
      expect(refusal).toContain('NOT POSSIBLE: 2 records ("r1", "r2")');
      expect(refusal).toContain('@table(table: "…")');
    }
  });
});

/** Effect of a migration on a stored value: its new value, and its label in the plan. */
type Fate = ['kept' | 'changes', unknown] | ['misfit'];

describe('a change of a type looks at the stored values', () => {
  const DAY = '2023-11-14T22:13:20.000Z';

  test.each<[string, string, Cell, Fate]>([
    ['Int', 'Long', 7, ['kept', 7]],
    ['Int', 'Float', 9007199254740991, ['kept', 9007199254740991]],
    ['Int', 'String', 7, ['kept', '7']],
    ['Int', 'ID', -7, ['kept', '-7']],
    ['Int', 'JSON', 7, ['kept', 7]],
    ['Int', 'Boolean', 1, ['changes', true]],
    ['Int', 'Boolean', 2, ['misfit']],
    ['Int', 'Date', 1_700_000_000_000, ['changes', DAY]],
    ['Int', '[Int]', 1, ['kept', [1]]],
    ['Int', '[String!]', 1, ['kept', ['1']]],
    ['Int', 'Two', 1, ['misfit']],
    ['Int', 'N', 1, ['misfit']],
    ['Long', 'Int', 7, ['kept', 7]],
    ['Long', 'Int', '9007199254740993', ['misfit']],
    ['Long', 'Float', '9007199254740992', ['kept', 9007199254740992]],
    ['Long', 'Float', '9007199254740993', ['misfit']],
    ['Long', 'String', '9007199254740993', ['kept', '9007199254740993']],
    ['Long', 'JSON', '9007199254740993', ['kept', '9007199254740993']],
    ['Float', 'Int', 7, ['kept', 7]],
    ['Float', 'Int', 7.5, ['misfit']],
    ['Float', 'Long', -7, ['kept', -7]],
    ['Float', 'String', 1.5, ['kept', '1.5']],
    ['Float', 'String', 1e300, ['kept', '1e+300']],
    ['Float', 'String', 123456789012345680000, ['kept', '123456789012345680000']],
    ['Float', 'JSON', 1.5, ['kept', 1.5]],
    ['Float', 'Date', 1.7e12, ['changes', DAY]],
    ['Float', 'Date', 1e300, ['misfit']],
    ['Boolean', 'String', 1, ['kept', 'true']],
    ['Boolean', 'JSON', 0, ['kept', false]],
    ['Boolean', 'Int', 1, ['misfit']],
    ['String', 'ID', 'x', ['kept', 'x']],
    ['String', 'Int', '42', ['kept', 42]],
    ['String', 'Int', '042', ['misfit']],
    ['String', 'Int', '9007199254740993', ['misfit']],
    ['String', 'Long', '9007199254740993', ['kept', '9007199254740993']],
    ['String', 'Long', '9223372036854775808', ['misfit']],
    ['String', 'Float', '-1.5', ['kept', -1.5]],
    ['String', 'Float', '1.50', ['changes', 1.5]],
    ['String', 'Float', '-1.5e3', ['changes', -1500]],
    ['String', 'Float', '9007199254740993', ['misfit']],
    ['String', 'Float', '1e-400', ['misfit']],
    ['String', 'Float', '', ['misfit']],
    ['String', 'Boolean', 'true', ['kept', true]],
    ['String', 'Boolean', 'yes', ['misfit']],
    ['String', 'Date', DAY, ['kept', DAY]],
    ['String', 'Date', '2025-02-03', ['changes', '2025-02-03T00:00:00.000Z']],
    ['String', 'Date', '2025-02-30', ['misfit']],
    ['String', 'JSON', '{"a":1}', ['kept', '{"a":1}']],
    ['String', 'Two', 'a', ['kept', 'a']],
    ['String', 'Two', 'c', ['misfit']],
    ['String', '[String]', '[1]', ['kept', ['[1]']]],
    ['Date', 'String', DAY, ['kept', DAY]],
    ['Date', 'JSON', DAY, ['kept', DAY]],
    ['Date', 'Long', DAY, ['changes', 1_700_000_000_000]],
    ['JSON', 'String', '"text"', ['kept', 'text']],
    ['JSON', 'String', '5', ['kept', '5']],
    ['JSON', 'String', '{"a":1}', ['misfit']],
    ['JSON', 'N', '{"x":1}', ['kept', { x: 1, y: null }]],
    ['JSON', 'N', '{"x":1,"more":2}', ['changes', { x: 1, y: null }]],
    ['JSON', 'N', '{"y":"1"}', ['misfit']],
    ['JSON', 'N', '[]', ['misfit']],
    ['JSON', '[Int]', '[1,2]', ['kept', [1, 2]]],
    ['JSON', '[Int]', '1', ['misfit']],
    ['Three', 'Two', 'b', ['kept', 'b']],
    ['Three', 'Two', 'c', ['misfit']],
    ['Two', 'ID', 'a', ['kept', 'a']],
    ['Two', 'JSON', 'a', ['kept', 'a']],
    ['Two', 'Int', 'a', ['misfit']],
    ['[Int]', '[Int!]', '[1,2]', ['kept', [1, 2]]],
    ['[Int]', '[Int!]', '[1,null]', ['misfit']],
    ['[Int]', '[String]', '[1,null]', ['kept', ['1', null]]],
    ['[Int]', '[Float]', '[1]', ['kept', [1]]],
    ['[Int]', 'Int', '[5]', ['kept', 5]],
    ['[Int]', 'Int', '[5,6]', ['misfit']],
    ['[Int]', 'Int', '[]', ['misfit']],
    ['[Int]', 'JSON', '[5,6]', ['kept', [5, 6]]],
    ['[Int]', 'String', '[5]', ['kept', '5']],
    ['[String]', '[Int]', '["1","2"]', ['kept', [1, 2]]],
    ['[Date]', '[Long]', `["${DAY}"]`, ['changes', [1_700_000_000_000]]],
    ['[Three!]', '[Two!]', '["a","b"]', ['kept', ['a', 'b']]],
    ['N', 'Short', '{"x":1,"y":null}', ['kept', { x: 1 }]],
    ['N', 'Short', '{"x":1,"y":"gone"}', ['changes', { x: 1 }]],
    ['N', 'Strict', '{"x":1,"y":null}', ['misfit']],
    ['N', 'Filled', '{"x":1,"y":null}', ['kept', { x: 1, y: null, land: 'CH' }]],
    ['N', 'Whole', '{"x":1,"y":null}', ['kept', { x: 1, y: 'none' }]],
    ['N', 'Whole', '{"x":1,"y":"here"}', ['kept', { x: 1, y: 'here' }]],
    ['N', 'Wide', '{"x":1,"y":null}', ['kept', { x: '1', y: null }]],
    ['N', '[N!]', '{"x":1,"y":null}', ['kept', [{ x: 1, y: null }]]],
    ['[N]', '[Filled]', '[{"x":1,"y":"u"},null]', ['kept', [{ x: 1, y: 'u', land: 'CH' }, null]]],
    ['N', 'String', '{"x":1,"y":null}', ['misfit']],
  ])('values of %s as %s: %j is %j', (before, after, cell, [fate, value]) => {
    const folder = stored(
      `f: ${before}`,
      [typeof cell === 'string' && before === 'Long' ? BigInt(cell) : cell],
      [null],
    );
    const wanted = schema(`f: ${after}`);
    if (fate === 'misfit') {
      const refusal = refusalOf(folder, wanted);
      expect(refusal).toMatch(/NOT POSSIBLE: the values of 1 record \("r1": .+\) do not fit/);
      expect(refusal).not.toContain('--allow-destructive');
      expect(refusalOf(folder, wanted, true)).toBe(refusal);
      return;
    }
    if (fate === 'changes') {
      const refusal = refusalOf(folder, wanted);
      expect(refusal).toMatch(/CHANGES VALUES: 1 record \("r1": .+ → .+\)/);
      expect(refusal).toContain(`"r1": ${textOf(before, cell)} → ${JSON.stringify(value)})`);
      expect(refusal).toContain('--allow-destructive T.f');
    }
    const open = folder.open(wanted, { allowDestructive: fate === 'changes' ? ['T.f'] : false });
    expect(records(open)).toEqual([
      { id: 'r1', f: value },
      { id: 'r2', f: null },
    ]);
  });

  function textOf(type: string, cell: Cell): string {
    return typeof cell === 'string' && !/^(?:JSON|N|\[.*\])$/.test(type) ? JSON.stringify(cell) : String(cell);
  }

  test('an enum value that is used says which request changes it', () => {
    const folder = stored('f: Three', ['c'], ['a'], ['c']);
    expect(refusalOf(folder, schema('f: Two', ' @export')).split('\n')).toEqual([
      expect.stringContaining('Nothing was changed'),
      '',
      '  change the type of data.T.f from enum (a, b, c) to enum (a, b)',
      '    NOT POSSIBLE: the values of 2 records ("r1": "c", "r3": "c") do not fit',
      '    Write other values into these records first',
      '      PATCH /my-app/T?f==c with {"f": …}, while the previous schema is served',
      '',
      'Change what is NOT POSSIBLE first. The previous schema still starts.',
    ]);
  });
});

describe('a field that becomes required', () => {
  test('is filled with its default where it was null, which is a change of the records', () => {
    const folder = stored('a: Int b: String', [null, 'x'], [5, 'y'], [null, 'z']);
    const before = folder.open(schema('a: Int b: String'));
    const { lastSeq: head } = before.store;
    const open = folder.open(schema('a: Int! @default(value: 7) b: String'));
    expect(open.notices).toEqual(['make data.T.a required: records that have null there get its default (2)']);
    expect(records(open)).toEqual([
      { id: 'r1', a: 7, b: 'x' },
      { id: 'r2', a: 5, b: 'y' },
      { id: 'r3', a: 7, b: 'z' },
    ]);
    expect(open.store.resumeFloor(onlyTable(open))).toBeGreaterThan(head);
  });

  test('changes no record where none is null', () => {
    const folder = stored('a: Int', [1]);
    const { lastSeq: head } = folder.open(schema('a: Int')).store;
    const open = folder.open(schema('a: Int! @default(value: 7)'));
    expect(open.store.lastSeq).toBe(head);
  });

  test('gets the time of the last change where the server sets it', () => {
    const folder = stored('at: Date', [null]);
    const open = folder.open(schema('at: Date! @updatedTime'));
    const [record] = records(open) as { at: string }[];
    const [page] = open.store.page(onlyTable(open), undefined, 1);
    expect(Date.parse(record?.at ?? '')).toBe(Math.trunc((page?.seq ?? 0) / 1000));
  });

  test('is filled and converted at once, and told beside a step that is refused', () => {
    const folder = stored('a: Int b: Int', [null, 1], [5, 2]);
    expect(refusalOf(folder, schema('a: String! @default(value: "none")'))).toContain('FILLS: 1 record ("r1")');
    const open = folder.open(schema('a: String! @default(value: "none") b: Int'));
    expect(records(open)).toEqual([
      { id: 'r1', a: 'none', b: 1 },
      { id: 'r2', a: '5', b: 2 },
    ]);
  });

  test('is not filled in place of a value that does not fit', () => {
    const folder = stored('a: String', ['x'], [null]);
    expect(refusalOf(folder, schema('a: Int! @default(value: 1)'), true)).toContain('"r1": "x") do not fit');
  });

  test.each([
    ['a: Int', 'a: Int! @unique @default(value: 1)', [null]],
    ['a: Int @unique', 'a: Int! @unique @default(value: 1)', [null]],
  ])('must not become a value that is there twice, from %j to %j', (before, after, cells) => {
    const folder = stored(before, cells, cells);
    expect(refusalOf(folder, schema(after), true)).toContain('1 in 2 records');
  });

  test('is computed with where it stands in an expression', () => {
    const sum = 'sum: Int @computed(from: "a + 1")';
    const folder = stored(`a: Int ${sum}`, [null, null], [1, 2]);
    const open = folder.open(schema(`a: Int! @default(value: 7) ${sum}`));
    expect(records(open)).toMatchObject([{ sum: 8 }, { sum: 2 }]);
  });
});

describe('an allowance by name', () => {
  test('allows its steps and no others', () => {
    const folder = stored('a: Int b: Int c: Int', [1, 2, 3]);
    const refusal = refusalOf(folder, schema('c: Int'), ['T.a']);
    expect(refusal).toContain('tablecast start --allow-destructive T.a,T.b');
    expect(records(folder.open(schema('c: Int'), { allowDestructive: ['T.b', 'T.a'] }))).toEqual([{ id: 'r1', c: 3 }]);
  });

  test('does not help where a step is not possible', () => {
    const folder = stored('a: Int b: Int', [1, null]);
    const refusal = refusalOf(folder, schema('b: Int!'), ['T.a', 'T.b']);
    expect(refusal).toContain('LOSES DATA: 1 record ("r1": 1)');
    expect(refusal).not.toContain('--allow-destructive');
  });
});

describe('a type that has left the schema', () => {
  const CARD = 'type Card @table { id: ID! @primaryKey title: String tags: [String] @indexed(type: "fulltext") }';
  const TASK = CARD.replace('Card', 'Task');

  function cards(): StoreFolder {
    const folder = new StoreFolder();
    insert(folder.open(CARD), ['c1', 'one', '["a"]'], ['c2', 'two', null]);
    return folder;
  }

  test('beside a new one with the same fields is refused with the line to write', () => {
    const folder = cards();
    const refusal = refusalOf(folder, TASK);
    expect(refusal).toContain('LEAVES BEHIND: 2 records ("c1", "c2")');
    expect(refusal).toContain('write on Task:\n      @renamedFrom(name: "Card")');
    expect(refusal).toContain('tablecast start --allow-destructive Card');
    const renamed = folder.open(TASK.replace('@table', '@table @renamedFrom(name: "Card")'));
    expect(records(renamed)).toHaveLength(2);
    expect(renamed.warnings).toEqual([]);
  });

  test('without records is no reason to refuse', () => {
    const folder = new StoreFolder();
    folder.open(CARD);
    const open = folder.open(TASK);
    expect([open.warnings, records(open)]).toEqual([[], []]);
  });

  test('beside one that has nothing but the same key is kept, too', () => {
    const folder = new StoreFolder();
    insert(folder.open('type Tag @table { id: ID! @primaryKey }'), ['t1']);
    expect(folder.open('type Label @table { id: ID! @primaryKey }').warnings).toHaveLength(1);
  });

  test('beside one with other fields is kept, with a warning', () => {
    const folder = cards();
    expect(folder.open(TASK.replace('title', 'name')).warnings).toHaveLength(1);
    expect(records(folder.open(CARD))).toHaveLength(2);
  });

  test('is dropped with all of it when it is named, and its positions are not given out again', () => {
    const folder = cards();
    const { lastSeq: head } = folder.open(CARD).store;
    const open = folder.open(TASK, { allowDestructive: ['Card'] });
    expect(open.notices).toContain('drop table data.Card with all its records');
    expect(open.store.lastSeq).toBeGreaterThan(head);
    expect(open.store.wasIssued(head + 1)).toBe(false);
    insert(open, ['t1', 'new', null]);
    expect(folder.query("SELECT name FROM sqlite_master WHERE name LIKE '%Card%'")).toEqual([]);
    expect(folder.open(TASK).warnings).toEqual([]);
    expect(records(folder.open(`${CARD}`, { allowDestructive: true }))).toEqual([]);
  });

  test('is named with its database where two have the same name', () => {
    const folder = new StoreFolder();
    const other = 'type Other @table { id: ID! @primaryKey }';
    const inDatabase = (database: string) => CARD.replace('@table', `@table(database: "${database}")`);
    for (const database of ['first', 'second']) {
      insert(folder.open(inDatabase(database), { allowDestructive: true }), ['c1', database, null]);
      folder.open(other);
    }
    expect(folder.open(other, { allowDestructive: ['Card'] }).warnings).toHaveLength(2);
    expect(folder.open(other, { allowDestructive: ['first.Card'] }).warnings).toHaveLength(1);
    expect(records(folder.open(inDatabase('second')))).toHaveLength(1);
  });
});

describe('an older schema', () => {
  test('is refused when the newer one has added values, and starts again when nothing would be lost', () => {
    const folder = stored('a: Int', [1]);
    const open = folder.open(schema('a: Int b: String'));
    insert(open, ['r2', 2, 'new']);
    expect(refusalOf(folder, schema('a: Int'))).toContain('LOSES DATA: 1 record ("r2": "new")');
    const same = folder.open(schema('a: Int b: String'));
    same.store.commit([[{ type: 'delete', table: onlyTable(same), id: 'r2' }]]);
    expect(records(folder.open(schema('a: Int')))).toEqual([{ id: 'r1', a: 1 }]);
  });
});
