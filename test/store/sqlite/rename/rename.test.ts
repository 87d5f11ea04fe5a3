import { describe, expect, test } from 'vitest';
import { MigrationRefusedError } from '../../../../src/store/open-errors.ts';
import { insert, onlyTable, records, StoreFolder } from '../../stores.ts';

const OLD = `
  enum State { OPEN done }
  type Part { sku: String! count: Int }
  type Card @table(expiration: "1000d") @audit @compositeIndex(fields: ["board", "rank"], unique: true) {
    id: ID! @primaryKey
    title: String @indexed(type: "fulltext")
    mail: String @unique
    board: String @indexed
    rank: Int
    state: State
    parts: [Part!]
    size: Long
  }`;
const NEW = `
  enum State { open @renamedFrom(name: "OPEN") done }
  type Part { article: String! @renamedFrom(name: "sku") count: Int }
  type Task @table(expiration: "1000d") @audit @renamedFrom(name: "Card") @compositeIndex(fields: ["list", "rank"], unique: true) {
    key: ID! @primaryKey @renamedFrom(name: "id")
    name: String @indexed(type: "fulltext") @renamedFrom(name: "title")
    address: String @unique @renamedFrom(name: "mail")
    list: String @indexed @renamedFrom(name: "board")
    rank: Int
    state: State
    pieces: [Part!] @renamedFrom(name: "parts")
    size: Long
  }`;
const PLAIN = NEW.replaceAll(/@renamedFrom\(name: "\w+"\)/g, '');

const ROWS = [
  ['c1', 'One red word', 'a@x', 'b1', 1, 'OPEN', '[{"sku":"s1","count":2}]', 9007199254740993n],
  ['c2', 'Two red words', 'b@x', 'b1', 2, 'done', null, null],
  ['c3', null, null, null, null, null, '[]', -1n],
] as const;

function cards(sdl = OLD): StoreFolder {
  const folder = new StoreFolder();
  insert(folder.open(sdl), ...ROWS);
  return folder;
}

function refusalOf(folder: StoreFolder, sdl: string, allowDestructive = false): string {
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

const RENAMED = [
  {
    key: 'c1',
    name: 'One red word',
    address: 'a@x',
    list: 'b1',
    rank: 1,
    state: 'open',
    pieces: [{ article: 's1', count: 2 }],
    size: '9007199254740993',
  },
  { key: 'c2', name: 'Two red words', address: 'b@x', list: 'b1', rank: 2, state: 'done', pieces: null, size: null },
  { key: 'c3', name: null, address: null, list: null, rank: null, state: null, pieces: [], size: -1 },
];

describe('a renamed type with renamed fields', () => {
  test('has every value under the new names', () => {
    expect(records(cards().open(NEW))).toEqual(RENAMED);
  });

  test('is as a store that was made with the new names', () => {
    const folder = cards();
    folder.open(NEW);
    const made = new StoreFolder();
    made.open(PLAIN);
    const { objects } = folder.contents();
    expect(objects).toEqual(made.contents().objects);
  });

  test('needs no step at the next start, with the directives or without', () => {
    const folder = cards();
    folder.open(NEW);
    const before = folder.contents();
    for (const sdl of [NEW, PLAIN]) {
      const { notices, warnings } = folder.open(sdl);
      expect([notices, warnings]).toEqual([[], []]);
      expect(folder.contents()).toEqual(before);
    }
  });

  test('keeps unique values, indexes and words', () => {
    const open = cards().open(NEW);
    expect(() => insert(open, ['c4', null, 'a@x', null, null, null, null, null])).toThrow(
      expect.objectContaining({ errors: [{ field: 'address', message: 'is taken by another record' }] }),
    );
    expect(() => insert(open, ['c4', null, null, 'b1', 2, null, null, null])).toThrow(/taken|together/);
    insert(open, ['c4', 'blue', 'd@x', 'b1', 3, 'open', null, null]);
  });

  test('keeps seqs, positions, log, audit trail and expiry', () => {
    const folder = cards();
    const old = folder.open(OLD).store;
    const head = old.lastSeq;
    const before = folder.query('SELECT id, _seq, _expires FROM "data/Card"');
    const open = folder.open(NEW);
    const task = onlyTable(open);
    expect(open.store.logStart(task)).toBeLessThan(head);
    const log = open.store.readLog(task, 0, 10);
    expect(log.map(({ op, id, data }) => [op, id, JSON.parse(data)])).toEqual(
      RENAMED.map((record) => ['create', record.key, record]),
    );
    expect(open.store.wasIssued(head)).toBe(true);
    const trail = open.store.audit?.page({ table: 'data/Task', limit: 10 }) as { entries: readonly unknown[] };
    expect(trail.entries).toHaveLength(3);
    expect(folder.query('SELECT key AS id, _seq, _expires FROM "data/Task"')).toEqual(before);
  });
});

describe('a renamed type with the same fields', () => {
  const TASK = OLD.replace(
    'type Card @table(expiration: "1000d")',
    'type Task @table(expiration: "1000d") @renamedFrom(name: "Card")',
  );

  test('lets clients resume where they were', () => {
    const folder = cards();
    const { store, plan } = folder.open(OLD);
    const start = store.resumeFloor(plan.tables[0] as never);
    const open = folder.open(TASK);
    expect(open.notices).toEqual(['rename table data.Card to data.Task, with its log']);
    expect(open.store.resumeFloor(onlyTable(open))).toBe(start);
    expect(open.store.readLog(onlyTable(open), start, 10)).toHaveLength(3);
    insert(open, ['c4', 'new', null, null, null, null, null, null]);
    expect(open.store.readLog(onlyTable(open), start, 10)).toHaveLength(4);
  });

  test('answers a write that is sent again with its key as before', () => {
    const folder = new StoreFolder();
    const write = (open: ReturnType<StoreFolder['open']>, table: string) => {
      const once = { key: JSON.stringify(['anonymous', table, 'http', 'k1']), hash: 'h' };
      const cells = ['c1', null, null, null, null, null, null, null];
      const writes = [{ type: 'create', table: onlyTable(open), id: 'c1', cells } as const];
      return open.store.commit([{ once, writes }]).results[0];
    };
    const [first] = write(folder.open(OLD), 'Card') as readonly { readonly seq: number }[];
    const again = write(folder.open(TASK), 'Task');
    expect(again).toMatchObject([{ seq: first?.seq, replayed: true }]);
  });
});

describe('a field', () => {
  const typed = (fields: string) => `type T @table { id: ID! @primaryKey ${fields} }`;

  function stored(fields: string, ...rows: readonly (readonly (string | number | null)[])[]): StoreFolder {
    const folder = new StoreFolder();
    insert(folder.open(typed(fields)), ...rows.map((row, index) => [`r${index + 1}`, ...row]));
    return folder;
  }

  test('that is renamed and converted keeps its values', () => {
    const open = stored('a: Int', [7], [null]).open(
      typed('b: String! @default(value: "none") @renamedFrom(name: "a")'),
    );
    expect(records(open)).toEqual([
      { id: 'r1', b: '7' },
      { id: 'r2', b: 'none' },
    ]);
  });

  test('whose present and earlier names both have values is refused', () => {
    const folder = stored('a: Int b: Int', [1, 2]);
    const refusal = refusalOf(folder, typed('b: Int @renamedFrom(name: "a")'), true);
    expect(refusal).toContain(
      'rename column data.T.a to b, which is stored already\n    NOT POSSIBLE: 1 record ("r1": 1)',
    );
    expect(refusal).toContain('Remove @renamedFrom to keep the values of T.b.');
  });

  test('whose earlier name has no values loses nothing', () => {
    const folder = stored('a: Int b: Int', [null, 2]);
    const open = folder.open(typed('b: Int @renamedFrom(name: "a")'));
    expect(open.notices).toEqual(['drop column data.T.a with its values']);
    expect(records(open)).toEqual([{ id: 'r1', b: 2 }]);
  });

  test('whose last name this store never had is refused with the line to add', () => {
    const folder = stored('a: Int', [1]);
    const refusal = refusalOf(folder, typed('c: Int @renamedFrom(name: "b")'));
    expect(refusal).toContain('nothing is stored as "b", which @renamedFrom names');
    expect(refusal).toContain(
      'If it was renamed to c, write on that field, beside the name that is there:\n      @renamedFrom(name: "a")',
    );
    const open = folder.open(typed('c: Int @renamedFrom(name: "b") @renamedFrom(name: "a")'));
    expect(records(open)).toEqual([{ id: 'r1', c: 1 }]);
  });

  test('that is renamed beside one that is dropped, added or indexed keeps its values', () => {
    const folder = stored('a: Int @indexed gone: Int text: String', [1, null, 'some words']);
    const open = folder.open(
      typed(
        'b: Int @unique @renamedFrom(name: "a") body: String @indexed(type: "fulltext") @renamedFrom(name: "text") n: Int',
      ),
    );
    expect(records(open)).toEqual([{ id: 'r1', b: 1, body: 'some words', n: null }]);
    const again = folder.open(typed('b: Int body: String n: Int @indexed'));
    expect(records(again)).toEqual([{ id: 'r1', b: 1, body: 'some words', n: null }]);
  });
});

describe('a type whose present and earlier names are both stored', () => {
  const BOTH = 'type A @table { id: ID! @primaryKey } type B @table { id: ID! @primaryKey }';
  const ONE = 'type B @table @renamedFrom(name: "A") { id: ID! @primaryKey }';

  test('is refused while the earlier one has records, with both ways on', () => {
    const folder = new StoreFolder();
    const open = folder.open(BOTH);
    const [a] = open.plan.tables;
    if (a === undefined) throw new Error('no table');
    open.store.commit([[{ type: 'create', table: a, id: 'a1', cells: ['a1'] }]]);
    const refusal = refusalOf(folder, ONE);
    expect(refusal).toContain('NOT POSSIBLE: 1 record ("a1") of A');
    expect(refusal).toContain('write @table(database: "data", table: "A") in its place');
    // The schema without the directive was served in between.
    folder.open('type B @table { id: ID! @primaryKey }');
    expect(refusalOf(folder, ONE)).toContain('NOT POSSIBLE');
    const other = folder.open('type B @table(database: "data", table: "A") { id: ID! @primaryKey }');
    expect(records(other)).toEqual([{ id: 'a1' }]);
  });

  test('goes on with the present one when the earlier one is empty', () => {
    const folder = new StoreFolder();
    folder.open(BOTH);
    expect(folder.open(ONE).warnings).toEqual([]);
  });
});

describe('a store that has none of the names', () => {
  test('says so once', () => {
    const folder = new StoreFolder();
    folder.open('type T @table { id: ID! @primaryKey }');
    const sdl = 'type T @table { id: ID! @primaryKey b: Int @renamedFrom(name: "a") }';
    expect(folder.open(sdl).notices).toContain('T.b is new: nothing is stored as "a", which @renamedFrom names');
    expect(folder.open(sdl).notices).toEqual([]);
    const fresh = new StoreFolder();
    expect(fresh.open(sdl).notices).toEqual(['create table data.T']);
  });
});
