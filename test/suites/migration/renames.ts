import { describe, expect, test } from 'vitest';
import type { Cell } from '../../../src/store/store.ts';
import { codeOf, StoreHarness } from '../store/harness.ts';
import { type MigratedEngine, refusalOf, storedWith } from './harness.ts';

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
/** Copies the records, since values change. */
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
/** Renames in place. */
const MOVED = NEW.replace('open @renamedFrom(name: "OPEN")', 'OPEN').replace(
  'article: String! @renamedFrom(name: "sku")',
  'sku: String!',
);
const TASK = OLD.replace('type Card @table(expiration: "1000d")', '$& @renamedFrom(name: "Card")').replace(
  'type Card',
  'type Task',
);

const ROWS: readonly (readonly Cell[])[] = [
  ['c1', 'One red word', 'a@x', 'b1', 1, 'OPEN', '[{"sku":"s1","count":2}]', 9007199254740993n],
  ['c2', 'Two red words', 'b@x', 'b1', 2, 'done', null, null],
  ['c3', null, null, null, null, null, '[]', -1n],
];
const NO_VALUES = { name: null, address: null, list: null, rank: null, state: null, pieces: null, size: null };

function renamed(state: string, part: string) {
  const pieces = [{ [part]: 's1', count: 2 }];
  return [
    {
      ...{ key: 'c1', name: 'One red word', address: 'a@x', list: 'b1', rank: 1 },
      ...{ state, pieces, size: '9007199254740993' },
    },
    { ...NO_VALUES, key: 'c2', name: 'Two red words', address: 'b@x', list: 'b1', rank: 2, state: 'done' },
    { ...NO_VALUES, key: 'c3', pieces: [], size: -1 },
  ];
}

/** A schema without the directives, as of a store that was made with the new names. */
function withoutDirectives(sdl: string): string {
  return sdl.replaceAll(/@renamedFrom\(name: "\w+"\)/g, '');
}

export function renamesSuite(subject: MigratedEngine): void {
  const contents = async (harness: StoreHarness) => {
    await harness.close();
    return subject.contents(harness.options.dir);
  };

  describe.each([
    ['copied', NEW, renamed('open', 'article')],
    ['kept in place', MOVED, renamed('OPEN', 'sku')],
  ])('a renamed type with renamed fields, whose records are %s,', (_, sdl, expected) => {
    test('has every value under the new names', async () => {
      const harness = await storedWith(subject, OLD, ROWS);
      await harness.open(sdl);
      expect(await harness.records()).toEqual(expected);
    });

    test('is as a store that was made with the new names', async () => {
      const harness = await storedWith(subject, OLD, ROWS);
      await harness.open(sdl);
      const made = await StoreHarness.open(subject, withoutDirectives(sdl));
      expect((await contents(harness)).objects).toEqual((await contents(made)).objects);
    });

    test('needs no step at the next start, with the directives or without', async () => {
      const harness = await storedWith(subject, OLD, ROWS);
      await harness.open(sdl);
      const before = await contents(harness);
      for (const again of [sdl, withoutDirectives(sdl)]) {
        await harness.open(again);
        expect([harness.notices, harness.warnings]).toEqual([[], []]);
        expect(await contents(harness)).toEqual(before);
      }
    });

    test('keeps unique values, indexes and words', async () => {
      const harness = await storedWith(subject, OLD, ROWS);
      await harness.open(sdl);
      await expect(harness.create('c4', null, 'a@x', null, null, null, null, null)).rejects.toMatchObject({
        errors: [{ field: 'address', message: 'is taken by another record' }],
      });
      expect(await codeOf(harness.create('c4', null, null, 'b1', 2, null, null, null))).toBe('CONFLICT');
      await harness.create('c4', 'blue', 'd@x', 'b1', 3, 'done', null, null);
      expect(await harness.find('name=ft=red&select=key')).toEqual([{ key: 'c1' }, { key: 'c2' }]);
    });

    test('keeps seqs, positions, log, audit trail and expiry', async () => {
      const harness = await storedWith(subject, OLD, ROWS);
      const head = harness.store.lastSeq;
      const page = async () => (await harness.store.page(harness.table, undefined, 9)).map(({ seq }) => seq);
      const seqs = await page();
      await harness.open(sdl);
      const { store, table } = harness;
      expect(store.logStart(table)).toBeLessThan(head);
      expect((await harness.log()).map(({ op, id, data }) => [op, id, JSON.parse(data)])).toEqual(
        expected.map((record) => ['create', record.key, record]),
      );
      expect(await store.wasIssued(head)).toBe(true);
      expect((await store.audit?.page({ table: 'data/Task', limit: 10 }))?.entries).toHaveLength(3);
      expect(await page()).toEqual(seqs);
      expect(await store.expired(table, Date.now() + 999 * 86_400_000, 10)).toEqual([]);
      expect(await store.expired(table, Date.now() + 1001 * 86_400_000, 10)).toHaveLength(3);
    });
  });

  describe('a renamed type with the same fields', () => {
    test('lets clients resume where they were', async () => {
      const harness = await storedWith(subject, OLD, ROWS);
      const start = harness.store.resumeFloor(harness.table);
      await harness.open(TASK);
      expect(harness.notices).toEqual(['rename table data.Card to data.Task, with its log']);
      expect(harness.store.resumeFloor(harness.table)).toBe(start);
      expect(await harness.log(start)).toHaveLength(3);
      await harness.create('c4', 'new');
      expect(await harness.log(start)).toHaveLength(4);
    });

    test('answers a write that is sent again with its key as before', async () => {
      const harness = await StoreHarness.open(subject, OLD);
      const write = async (table: string) => {
        const once = { key: JSON.stringify(['anonymous', table, 'http', 'k1']), hash: 'h' };
        const writes = [harness.of({ type: 'create', id: 'c1', cells: ['c1'] })];
        return (await harness.commit({ once, writes })).results[0] as readonly { readonly seq: number }[];
      };
      const [first] = await write('Card');
      await harness.open(TASK);
      expect(await write('Task')).toMatchObject([{ seq: first?.seq, replayed: true }]);
    });

    test('takes the name of a type that was dropped, whose positions are not issued again', async () => {
      const harness = await StoreHarness.open(subject, `${OLD} type Task @table { id: ID! @primaryKey }`);
      await harness.create('c1', 'one');
      await harness.write({ type: 'create', table: harness.tableNamed('Task'), id: 't1', cells: ['t1'] });
      await harness.open(OLD, { allowDestructive: ['Task'] });
      const head = harness.store.lastSeq;
      await harness.open(TASK);
      expect(await harness.records()).toMatchObject([{ id: 'c1', title: 'one' }]);
      expect((await harness.create('c2', 'two')).seq).toBeGreaterThan(head);
      await harness.open(TASK);
      expect(await harness.log()).toHaveLength(2);
    });
  });

  describe('a field', () => {
    const typed = (fields: string) => `type T @table { id: ID! @primaryKey ${fields} }`;
    const stored = (fields: string, ...rows: readonly (readonly Cell[])[]) =>
      storedWith(
        subject,
        typed(fields),
        rows.map((row, index) => [`r${index + 1}`, ...row]),
      );

    test('that is renamed and converted keeps its values', async () => {
      const harness = await stored('a: Int', [7], [null]);
      await harness.open(typed('b: String! @default(value: "none") @renamedFrom(name: "a")'));
      expect(await harness.records()).toEqual([
        { id: 'r1', b: '7' },
        { id: 'r2', b: 'none' },
      ]);
    });

    test('whose words are indexed has them under a name in another case', async () => {
      const harness = await stored('title: String @indexed(type: "fulltext")', ['red']);
      await harness.open(typed('Title: String @indexed(type: "fulltext")'));
      await harness.create('r2', 'red too');
      expect(await harness.ids('Title=ft=red')).toBe('r1 r2');
    });

    test('whose present and earlier names both have values is refused', async () => {
      const harness = await stored('a: Int b: Int', [1, 2]);
      const refusal = await refusalOf(subject, harness, typed('b: Int @renamedFrom(name: "a")'), true);
      expect(refusal).toContain(
        'rename column data.T.a to b, which is stored already\n    NOT POSSIBLE: 1 record ("r1": 1)',
      );
      expect(refusal).toContain('Remove @renamedFrom to keep the values of T.b.');
    });

    test('whose earlier name has no values loses nothing', async () => {
      const harness = await stored('a: Int b: Int', [null, 2]);
      await harness.open(typed('b: Int @renamedFrom(name: "a")'));
      expect(harness.notices).toEqual(['drop column data.T.a with its values']);
      expect(await harness.records()).toEqual([{ id: 'r1', b: 2 }]);
    });

    test('whose last name this store never had is refused with the line to add', async () => {
      const harness = await stored('a: Int', [1]);
      const refusal = await refusalOf(subject, harness, typed('c: Int @renamedFrom(name: "b")'));
      expect(refusal).toContain('nothing is stored as "b", which @renamedFrom names');
      expect(refusal).toContain(
        'If it was renamed to c, write on that field, beside the name that is there:\n      @renamedFrom(name: "a")',
      );
      await harness.open(typed('c: Int @renamedFrom(name: "b") @renamedFrom(name: "a")'));
      expect(await harness.records()).toEqual([{ id: 'r1', c: 1 }]);
    });

    test('that is renamed beside one that is dropped, added or indexed keeps its values', async () => {
      const harness = await stored('a: Int @indexed gone: Int text: String', [1, null, 'some words']);
      await harness.open(
        typed(
          'b: Int @unique @renamedFrom(name: "a") body: String @indexed(type: "fulltext") @renamedFrom(name: "text") n: Int',
        ),
      );
      expect(await harness.records()).toEqual([{ id: 'r1', b: 1, body: 'some words', n: null }]);
      await harness.open(typed('b: Int body: String n: Int @indexed'));
      expect(await harness.records()).toEqual([{ id: 'r1', b: 1, body: 'some words', n: null }]);
    });

    test('that is renamed in place beside one that is dropped, added or indexed keeps its values', async () => {
      const harness = await stored('a: Int @indexed gone: Int @indexed', [1, null]);
      await harness.open(typed('b: Int @unique @renamedFrom(name: "a") n: Int @indexed'));
      expect(await harness.records()).toEqual([{ id: 'r1', b: 1, n: null }]);
      expect(await codeOf(harness.create('r2', 1))).toBe('CONFLICT');
      expect(await harness.ids('b==1')).toBe('r1');
    });
  });

  describe('a type whose present and earlier names are both stored', () => {
    const BOTH = 'type A @table { id: ID! @primaryKey } type B @table { id: ID! @primaryKey }';
    const ONE = 'type B @table @renamedFrom(name: "A") { id: ID! @primaryKey }';

    test('is refused while the earlier one has records, with both ways on', async () => {
      const harness = await storedWith(subject, BOTH, [['a1']]);
      const refusal = await refusalOf(subject, harness, ONE);
      expect(refusal).toContain('NOT POSSIBLE: 1 record ("a1") of A');
      expect(refusal).toContain('write @table(database: "data", table: "A") in its place');
      // The schema without the directive was served in between.
      await harness.open('type B @table { id: ID! @primaryKey }');
      expect(await refusalOf(subject, harness, ONE)).toContain('NOT POSSIBLE');
      await harness.open('type B @table(database: "data", table: "A") { id: ID! @primaryKey }');
      expect(await harness.records()).toEqual([{ id: 'a1' }]);
    });

    test('goes on with the present one when the earlier one is empty', async () => {
      const harness = await StoreHarness.open(subject, BOTH);
      await harness.open(ONE);
      expect(harness.warnings).toEqual([]);
    });
  });

  describe('a store that has none of the names', () => {
    test('says so once', async () => {
      const harness = await StoreHarness.open(subject, 'type T @table { id: ID! @primaryKey }');
      const sdl = 'type T @table { id: ID! @primaryKey b: Int @renamedFrom(name: "a") }';
      await harness.open(sdl);
      expect(harness.notices).toContain('T.b is new: nothing is stored as "a", which @renamedFrom names');
      await harness.open(sdl);
      expect(harness.notices).toEqual([]);
      const fresh = await StoreHarness.open(subject, sdl);
      expect(fresh.notices).toEqual(['create table data.T']);
    });
  });
}
