import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePredicate, type Filter, type JsonRecord, parseListQuery } from '../../../src/query/index.ts';
import { parseWords } from '../../../src/query/words.ts';
import type { FieldPlan, TablePlan } from '../../../src/schema/plan.ts';
import type { Write } from '../../../src/store/rows/write.ts';
import { registerFunctions } from '../../../src/store/sqlite/database/open.ts';
import { compileListSql } from '../../../src/store/sqlite/sql/index.ts';
import { NAMES } from '../../../src/store/sqlite/sql/table-names.ts';
import { LIMITS } from '../../query/tables.ts';
import { insert, listJson, type OpenStore, onlyTable, StoreFolder } from '../stores.ts';

const schema = (index: string, more = '') =>
  `type T @table { id: ID! @primaryKey text: String ${index} tags: [String] ${index} n: Int @indexed ${more} }`;
const PLAIN = schema('');
const INDEXED = schema('@indexed(type: "fulltext")');
const NONE: ReadonlySet<string> = new Set();

const tags = (...texts: readonly (string | null)[]) => JSON.stringify(texts);

function find(open: OpenStore, condition: string): string {
  const table = onlyTable(open);
  const json = listJson(open, table, parseListQuery(`${condition}&select=id`, table, LIMITS, NONE));
  return (JSON.parse(json) as { id: string }[]).map(({ id }) => id).join('');
}

function commit(open: OpenStore, ...group: readonly Write[]): void {
  const [result] = open.store.commit([group]).results;
  if (result instanceof Error) throw result;
}

function fill(open: OpenStore): OpenStore {
  insert(
    open,
    ['a', 'Crème brûlée, 2 Portions!', null, 1],
    ['b', 'creme de la creme', tags('Süß', null, 'hot dog'), 2],
    ['c', null, tags(), 3],
    ['d', '', tags('!!', ''), null],
  );
  return open;
}

const QUESTIONS: Readonly<Record<string, string>> = {
  'text=ft=creme': 'ab',
  'text=ft=CR%C3%88ME%20brulee': 'a',
  'text=ft=brulee%20creme%202': 'a',
  'text=ft=brul*': 'a',
  'text=ft=brul': '',
  'tags=ft=dog%20sus*': 'b',
  'tags=ft=suss': 'b',
  '!(text=ft=creme)': 'cd',
  'text=ft=creme&n=gt=1': 'b',
  'text=ft=2|tags=ft=hot': 'ab',
};

function answers(open: OpenStore): Record<string, string> {
  return Object.fromEntries(Object.keys(QUESTIONS).map((query) => [query, find(open, query)]));
}

describe('an index of words', () => {
  test.each([PLAIN, INDEXED])('takes a run of Chinese or Japanese characters for one word: %#', (sdl) => {
    const open = new StoreFolder().open(sdl);
    insert(open, ['a', '東京都に行く', null, 1], ['b', '東京 2025', null, 2]);
    expect(find(open, encodeURI('text=ft=東京'))).toBe('b');
    expect(find(open, encodeURI('text=ft=東京*'))).toBe('ab');
    expect(find(open, encodeURI('text=ct=東京'))).toBe('ab');
    expect(find(open, encodeURI('text=ct=都に'))).toBe('a');
  });

  test('gives what reading every text gives', () => {
    expect(answers(fill(new StoreFolder().open(PLAIN)))).toEqual(QUESTIONS);
    expect(answers(fill(new StoreFolder().open(INDEXED)))).toEqual(QUESTIONS);
  });

  test.each(['text=ft=creme', 'text=ft=cre*%20de&sort=-n', 'n=ge=0&tags=ft=dog&sort=id'])('serves %s', (query) => {
    const folder = new StoreFolder();
    const open = fill(folder.open(INDEXED));
    // A table of four records is read whole, and rightly.
    insert(
      open,
      ...Array.from({ length: 1000 }, (_, i): [string, null, null, null] => [`more-${i}`, null, null, null]),
    );
    const table = onlyTable(open);
    const { sql, params } = compileListSql(parseListQuery(query, table, LIMITS, NONE), table, NAMES);
    folder.close();
    const db = new Database(folder.file, { readonly: true });
    registerFunctions(db);
    const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[];
    db.close();
    const details = steps.map(({ detail }) => detail).join('; ');
    expect(details).toMatch(/SCAN w VIRTUAL TABLE INDEX 0:M/);
    expect(details).not.toMatch(/SCAN t\b/);
  });

  test('is known to the bound on queries without an index', () => {
    const refused = expect.objectContaining({ code: 'SCAN_TOO_LARGE' });
    const open = fill(new StoreFolder().open(INDEXED, { largestScan: 3 }));
    expect(find(open, 'text=ft=creme')).toBe('ab');
    expect(find(open, 'tags=ft=dog&text=ct=creme&sort=text')).toBe('b');
    expect(() => find(open, '!(text=ft=creme)')).toThrow(refused);
    expect(() => find(open, 'text=ft=creme|text=ct=x')).toThrow(refused);
    expect(() => find(fill(new StoreFolder().open(PLAIN, { largestScan: 3 })), 'text=ft=creme')).toThrow(refused);
  });

  test('is not asked for words that it does not keep whole, nor for very many', () => {
    const open = new StoreFolder().open(INDEXED);
    const long = 'a'.repeat(40_000);
    insert(open, ['a', `${long}b c`, null, 1], ['b', `${long} c`, null, 2]);
    const table = onlyTable(open);
    const limits = { ...LIMITS, filterLength: 100_000, filterPattern: 100_000 };
    const findLong = (words: string) =>
      listJson(open, table, parseListQuery(`select=id&text=ft=${words}`, table, limits, NONE));
    expect(findLong(long)).toBe('[{"id":"b"}]');
    expect(findLong(`${long}b`)).toBe('[{"id":"a"}]');
    expect(findLong(`${long}*`)).toBe('[{"id":"a"},{"id":"b"}]');
    expect(findLong(`${'a'.repeat(100)}*`)).toBe('[{"id":"a"},{"id":"b"}]');
    expect(findLong('c+'.repeat(5000))).toBe('[{"id":"a"},{"id":"b"}]');
  });

  test('takes nothing that is sought for syntax of its own', () => {
    const open = fill(new StoreFolder().open(INDEXED));
    for (const [words, found] of [
      ['creme AND brulee', ''],
      ['creme OR brulee', ''],
      ['creme NOT brulee', ''],
      ['text:creme', ''],
      ['words:creme', ''],
      ['"creme" *', 'ab'],
      ['creme" OR "x', ''],
      ['^creme', 'ab'],
      ['NEAR(creme brulee)', ''],
      ['creme + brulee', 'a'],
      ["creme') --", 'ab'],
      ['(((creme', 'ab'],
    ] as const) {
      const sought = encodeURIComponent(words).replace(/[()']/g, (it) => `%${it.charCodeAt(0).toString(16)}`);
      expect(find(open, `text=ft=${sought}`), words).toBe(found);
    }
  });

  test('follows every write, and no write that was refused', () => {
    const open = new StoreFolder().open(schema('@indexed(type: "fulltext")', 'u: Int @unique'));
    const table = onlyTable(open);
    insert(open, ['a', 'brulee', null, 1, null], ['b', 'creme', tags('hot dog'), 2, null], ['c', null, null, 3, null]);
    insert(open, ['d', '', null, null, null]);
    const cells = (id: string, text: string | null, u: number | null = null) => [id, text, null, null, u];
    commit(open, { type: 'put', table, id: 'a', cells: cells('a', 'fresh') });
    expect([find(open, 'text=ft=brulee'), find(open, 'text=ft=fresh')]).toEqual(['', 'a']);
    commit(open, { type: 'patch', table, id: 'a', cells: ['a', undefined, tags('other'), 7, 1] });
    expect([find(open, 'text=ft=fresh'), find(open, 'tags=ft=other')]).toEqual(['a', 'a']);
    commit(open, { type: 'delete', table, id: 'b' });
    expect([find(open, 'text=ft=creme'), find(open, 'tags=ft=dog')]).toEqual(['', '']);
    const refused = open.store.commit([
      [
        { type: 'create', table, id: 'x', cells: cells('x', 'refused') },
        { type: 'patch', table, id: 'a', cells: ['a', 'refused', null, null, 2] },
        { type: 'create', table, id: 'y', cells: cells('y', 'refused', 2) },
      ],
      [{ type: 'create', table, id: 'z', cells: cells('z', 'refused', 1) }],
      [{ type: 'create', table, id: 'w', cells: cells('w', 'taken') }],
    ]);
    expect(refused.results.map((result) => result instanceof Error)).toEqual([true, true, false]);
    expect([find(open, 'text=ft=refused'), find(open, 'text=ft=fresh'), find(open, 'text=ft=taken')]).toEqual([
      '',
      'a',
      'w',
    ]);
    const filter = undefined;
    commit(open, {
      type: 'patch-where',
      table,
      filter,
      limit: 10,
      cells: [undefined, 'all', undefined, undefined, undefined],
    });
    expect([find(open, 'text=ft=all'), find(open, 'text=ft=fresh')]).toEqual(['acdw', '']);
    commit(open, { type: 'delete-where', table, filter, limit: 10 });
    commit(open, { type: 'create', table, id: 'q', cells: cells('q', 'again') });
    expect([find(open, 'text=ft=all'), find(open, 'text=ft=again')]).toEqual(['', 'q']);
  });

  test('serves conditions on related records, and writes by filter', () => {
    const open = new StoreFolder().open(
      `type A @table { id: ID! @primaryKey about: String @indexed(type: "fulltext") books: [B] @relationship(to: "author") }
       type B @table { id: ID! @primaryKey author: ID by: A @relationship(from: "author") title: String @indexed(type: "fulltext") }`,
      { largestScan: 0 },
    );
    const [authors, books] = open.plan.tables as [TablePlan, TablePlan];
    commit(
      open,
      { type: 'create', table: authors, id: 'ada', cells: ['ada', 'Wrote notes'] },
      { type: 'create', table: books, id: '1', cells: ['1', 'ada', 'Engines'] },
      { type: 'create', table: books, id: '2', cells: ['2', 'bob', 'Boats'] },
    );
    const list = (table: TablePlan, query: string) => listJson(open, table, parseListQuery(query, table, LIMITS, NONE));
    expect(list(authors, 'books.title=ft=engines&select=id')).toBe('[{"id":"ada"}]');
    expect(list(authors, 'about=ft=notes&books.title=ft=boats&select=id')).toBe('[]');
    const { filter } = parseListQuery('title=ft=boats', books, LIMITS, NONE);
    commit(open, { type: 'delete-where', table: books, filter, limit: 10 });
    expect(list(books, 'select=id')).toBe('[{"id":"1"}]');
  });

  test('loses a record that expires', () => {
    const sdl = 'type T @table(expiration: 1) { id: ID! @primaryKey text: String @indexed(type: "fulltext") }';
    const folder = new StoreFolder();
    const open = folder.open(sdl);
    insert(open, ['a', 'soon']);
    const table = onlyTable(open);
    const expiredAt = Date.now() + 5000;
    for (const id of open.store.expired(table, expiredAt, 10)) commit(open, { type: 'delete', table, id, expiredAt });
    expect(folder.query('SELECT count(*) AS n FROM "data/T.text:docs"')).toEqual([{ n: 0 }]);
  });

  test('works with keys that are numbers', () => {
    const sdl = 'type T @table { id: Long! @primaryKey text: String @indexed(type: "fulltext") }';
    const open = new StoreFolder().open(sdl);
    insert(open, [9_007_199_254_740_993n as never, 'far'], [1, 'near']);
    expect([find(open, 'text=ft=far'), find(open, 'text=ft=near')]).toEqual(['9007199254740993', '1']);
  });
});

describe('a data directory without it', () => {
  const tables = (folder: StoreFolder) =>
    folder.query("SELECT name FROM sqlite_master WHERE name LIKE 'data/T.t%'").length;

  test('gets the words of its records, keeps them when the table is written anew, and loses the index again', () => {
    const folder = new StoreFolder();
    fill(folder.open(PLAIN));
    const open = folder.open(INDEXED);
    expect(open.notices).toEqual([
      'create the index of the words in data.T.text',
      'create the index of the words in data.T.tags',
    ]);
    expect(answers(open)).toEqual(QUESTIONS);
    expect(folder.open(INDEXED).notices).toEqual([]);
    expect(answers(folder.open(schema('@indexed(type: "fulltext")', 'at: Date @createdTime')))).toEqual(QUESTIONS);
    expect(folder.open(PLAIN, { allowDestructive: true }).notices).toHaveLength(3);
    expect(tables(folder)).toBe(0);
  });

  test('loses the index with its field', () => {
    const folder = new StoreFolder();
    fill(folder.open(INDEXED));
    folder.open('type T @table { id: ID! @primaryKey n: Int }', { allowDestructive: true });
    expect(tables(folder)).toBe(0);
  });

  test('makes it anew when the words were made by another version', () => {
    const folder = new StoreFolder();
    fill(folder.open(INDEXED));
    folder.close();
    const db = new Database(folder.file);
    db.exec(`UPDATE tablecast_meta SET value = '0' WHERE key LIKE 'words:%text'; DELETE FROM "data/T.text:docs"`);
    db.close();
    const open = folder.open(INDEXED);
    expect(open.notices).toEqual([
      'make the index of the words in data.T.text anew, since this version of Node knows other letters',
    ]);
    expect(answers(open)).toEqual(QUESTIONS);
    expect(folder.open(INDEXED).notices).toEqual([]);
  });
});

// Few characters, so that words meet: case and accents in several forms, marks alone, digits of other scripts, ligatures,
// letters that newer Unicode brought, and what an index could take for its own.
const CHARACTERS = [...'aAáÁbß1٢²ﬁΣςσéİıǆ日本한é\u0301\u{1e900}\u{11f04}\u{10ffff}\u{1d400}·_-.\'"*()^:+ \n\0'];
const text = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 12 }).map((characters) => characters.join(''));
const anyText = fc.oneof({ weight: 4, arbitrary: text }, fc.string({ unit: 'binary', maxLength: 12 }));

const record = fc.record({
  text: fc.option(anyText, { nil: null }),
  tags: fc.option(fc.array(fc.option(anyText, { nil: null }), { maxLength: 3 }), { nil: null }),
});
/** Searches that often are an existing text, or the beginning of one. */
const scene = fc.array(record, { minLength: 1, maxLength: 5 }).chain((all) => {
  const texts = all.flatMap((it) => [it.text, ...(it.tags ?? [])]).filter((it) => it !== null);
  const stored = fc.constantFrom('a', ...texts);
  const start = fc.tuple(stored, fc.nat(6)).map(([it, length]) => `${[...it].slice(0, length).join('')}*`);
  return fc.record({ all: fc.constant(all), sought: fc.oneof(stored, start, anyText) });
});

test('for any texts and words the index and the predicate of a stream give the same answer', () => {
  const open = new StoreFolder().open(INDEXED);
  const table = onlyTable(open);
  const fieldNamed = (name: string) => table.fields.find((field) => field.name === name) as FieldPlan;
  let found = 0;
  fc.assert(
    fc.property(scene, fc.constantFrom('text', 'tags'), ({ all, sought }, name) => {
      const words = parseWords(sought);
      fc.pre(words.length > 0);
      commit(open, { type: 'delete-where', table, filter: undefined, limit: 10 });
      insert(open, ...all.map((it, index) => [`${index}`, it.text, it.tags && JSON.stringify(it.tags), null]));
      const filter: Filter = { type: 'words', path: { name, fields: [fieldNamed(name)] }, words };
      const predicate = compilePredicate(filter);
      const matches = (it: JsonRecord, id: string) => (predicate({ id, ...it }) ? [id] : []);
      const expected = all.flatMap((it, index) => matches(it, `${index}`));
      const query = { ...parseListQuery('select=id', table, LIMITS, NONE), filter };
      const records = JSON.parse(listJson(open, table, query)) as { id: string }[];
      expect(records.map(({ id }) => id)).toEqual(expected);
      found += expected.length;
    }),
    { numRuns: 1000 },
  );
  expect(found).toBeGreaterThan(100);
});
