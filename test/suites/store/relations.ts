import { describe, expect, test } from 'vitest';
import type { JsonRecord, RelatedCondition, SelectedRelation } from '../../../src/query/index.ts';
import type { FieldPlan } from '../../../src/schema/plan.ts';
import type { WriteCheck } from '../../../src/store/rows/write.ts';
import type { RecordsBy } from '../../../src/store/store.ts';
import { codeOf, type EngineUnderTest, StoreHarness } from './harness.ts';

const SDL = `
  type Author @table {
    id: ID! @primaryKey name: String @indexed mentorId: ID
    mentor: Author @relationship(from: "mentorId")
    books: [Book] @relationship(to: "authorId")
  }
  type Book @table {
    id: ID! @primaryKey title: String authorId: ID @indexed tagIds: [ID] price: Float
    author: Author @relationship(from: "authorId")
    tags: [Tag] @relationship(from: "tagIds")
  }
  type Tag @table {
    id: ID! @primaryKey label: String secret: String @hidden
    books: [Book] @relationship(to: "tagIds")
  }`;

const ROWS = {
  Author: [
    ['ada', 'Ada', 'mary'],
    ['bob', 'Bob', null],
    ['mary', 'Mary', null],
  ],
  Book: [
    ['1', 'Engines', 'ada', '["x","y"]', 5],
    ['2', 'Notes', 'ada', '["y","gone"]', 0.1],
    ['3', 'Boats', 'bob', '[]', null],
    ['4', 'Lost', 'gone', null, 1e21],
    ['5', 'Loose', null, null, 2.5],
  ],
  Tag: [
    ['x', 'Exact', 's'],
    ['y', 'Why', 's'],
  ],
} as const;

async function library(subject: EngineUnderTest, options = {}): Promise<StoreHarness> {
  const harness = await StoreHarness.open(subject, SDL, options);
  const writes = Object.entries(ROWS).flatMap(([name, rows]) =>
    rows.map((cells) => harness.of({ type: 'create', table: harness.tableNamed(name), id: cells[0], cells })),
  );
  await harness.commit(writes);
  return harness;
}

export function relationsSuite(subject: EngineUnderTest): void {
  const json = async (harness: StoreHarness, name: keyof typeof ROWS, query: string) =>
    harness.find(query, harness.tableNamed(name));

  describe('select shows records of other tables', () => {
    test('one by its key, or null', async () => {
      expect(await json(await library(subject), 'Book', 'select=author{name}')).toEqual(
        [
          { id: '1', author: { id: 'ada', name: 'Ada' } },
          { id: '2', author: { id: 'ada', name: 'Ada' } },
          { id: '3', author: { id: 'bob', name: 'Bob' } },
          { id: '4', author: null },
          { id: '5', author: null },
        ].map(({ id, author }) => ({ id, author: author && { name: author.name } })),
      );
    });

    test('many that point here, in the order of their keys', async () => {
      const harness = await library(subject);
      expect(await json(harness, 'Author', 'select=books{title,price}&name=ge=B')).toEqual([
        { id: 'bob', books: [{ title: 'Boats', price: null }] },
        { id: 'mary', books: [] },
      ]);
      expect(await json(harness, 'Tag', 'select=books{id}')).toEqual([
        { id: 'x', books: [{ id: '1' }] },
        { id: 'y', books: [{ id: '1' }, { id: '2' }] },
      ]);
    });

    test('many of a list of keys, in its order, without those that are gone', async () => {
      const harness = await library(subject);
      const book = harness.tableNamed('Book');
      await harness.write({
        type: 'patch',
        table: book,
        id: '1',
        cells: [undefined, undefined, undefined, '["y","x"]'],
      });
      expect(await json(harness, 'Book', 'select=tags{label}&limit=4')).toEqual([
        { id: '1', tags: [{ label: 'Why' }, { label: 'Exact' }] },
        { id: '2', tags: [{ label: 'Why' }] },
        { id: '3', tags: [] },
        { id: '4', tags: [] },
      ]);
    });

    test('over several steps, and over the same table', async () => {
      const query = 'select=author{name,mentor{name,mentor{id}},books{title,tags{id}}}&id=1';
      const books = [
        { title: 'Engines', tags: [{ id: 'x' }, { id: 'y' }] },
        { title: 'Notes', tags: [{ id: 'y' }] },
      ];
      expect(await json(await library(subject), 'Book', query)).toEqual([
        { id: '1', author: { name: 'Ada', mentor: { name: 'Mary', mentor: null }, books } },
      ]);
    });

    test('with all fields, but never a hidden one', async () => {
      const harness = await library(subject);
      const tags = [
        { id: 'x', label: 'Exact' },
        { id: 'y', label: 'Why' },
      ];
      expect(await json(harness, 'Book', 'select=tags&id=1')).toEqual([{ id: '1', tags }]);
      expect(await json(harness, 'Tag', '')).toEqual(tags);
    });
  });

  test('a filter looks at records of other tables', async () => {
    const harness = await library(subject);
    for (const [name, query, expected] of [
      ['Book', 'author.name==Ada', '1 2'],
      ['Book', 'author.name!=Ada', '3 4 5'],
      ['Book', 'author.name==B*|title==Lost', '3 4'],
      ['Book', 'author==null', '4 5'],
      ['Book', 'author!=null', '1 2 3'],
      ['Book', 'author.mentorId==null', '3'],
      ['Book', 'author.mentor.name==Mary', '1 2'],
      ['Book', '!(author.name==Ada)', '3 4 5'],
      ['Book', 'tags.label==Why', '1 2'],
      ['Book', 'tags.label==Exact&author.name==Ada', '1'],
      ['Book', 'tags==null', '3 4 5'],
      ['Author', 'books.title==Boats', 'bob'],
      ['Author', 'books==null', 'mary'],
      ['Author', 'books.tags.label==Exact', 'ada'],
      ['Author', 'books.price=lt=1', 'ada'],
      ['Tag', 'books.title==Notes', 'y'],
      ['Tag', 'books.author.name==Ada', 'x y'],
    ] as const) {
      expect(await harness.ids(query, harness.tableNamed(name)), `${name} ${query}`).toBe(expected);
    }
  });

  test('a write by filter looks at records of other tables', async () => {
    const harness = await library(subject);
    const book = harness.tableNamed('Book');
    const { filter } = harness.query('author.name==Ada', book);
    const { json: outcome } = await harness.write({ type: 'delete-where', table: book, filter, limit: 9 });
    expect(outcome).toBe('{"matched":2,"changed":2}');
    expect(await harness.ids('', book)).toBe('3 4 5');
  });

  test('a filter on an indexed field of a related record is no scan', async () => {
    const harness = await library(subject, { largestScan: 2 });
    const book = harness.tableNamed('Book');
    expect(await harness.ids('author.name==Ada', book)).toBe('1 2');
    expect(await codeOf(harness.list('title==Notes', book))).toBe('SCAN_TOO_LARGE');
  });

  test('a condition on related records is decided for one record, stored or not', async () => {
    const harness = await library(subject);
    const decide = async (name: keyof typeof ROWS, query: string, record: JsonRecord) => {
      const table = harness.tableNamed(name);
      return harness.store.isRelated(table, harness.query(query, table).filter as RelatedCondition, record);
    };
    for (const [name, query, record, expected] of [
      ['Book', 'author.name==Ada', { id: 'new', authorId: 'ada' }, true],
      ['Book', 'author.name==Ada', { id: '1', authorId: 'bob' }, false],
      ['Book', 'author.name==Ada', { id: '1', authorId: null }, false],
      ['Book', 'author.name==Ada', { id: '1' }, false],
      ['Book', 'author!=null', { id: '1', authorId: 'gone' }, false],
      ['Book', 'author.mentor.name==Mary', { id: '1', authorId: 'ada' }, true],
      ['Book', 'tags.label==Why', { id: '1', tagIds: ['x', 'y'] }, true],
      ['Book', 'tags.label==Why', { id: '1', tagIds: ['x'] }, false],
      ['Author', 'books.title==Boats', { id: 'bob' }, true],
      ['Author', 'books.title==Boats', { id: 'ada' }, false],
      ['Tag', 'books.title==Notes', { id: 'y' }, true],
      ['Tag', 'books.author.name==Bob', { id: 'y' }, false],
    ] as const) {
      expect(await decide(name, query, record), `${name} ${query} ${JSON.stringify(record)}`).toBe(expected);
    }
  });

  test('a guard decides on related records as they are in the transaction', async () => {
    const harness = await library(subject);
    const book = harness.tableNamed('Book');
    const condition = harness.query('author.name==Ann', book).filter as RelatedCondition;
    const seen: unknown[] = [];
    const guard: WriteCheck = (before, after, related) => {
      seen.push([before, after].map((record) => record && related(condition, record)));
    };
    const rename = (name: string) =>
      harness.of({ type: 'patch', table: harness.tableNamed('Author'), id: 'ada', cells: [undefined, name] });
    const retitle = (title: string) =>
      harness.of({ type: 'patch', table: book, id: '1', cells: [undefined, title], guard });
    await harness.commit([retitle('a'), rename('Ann'), retitle('b')], [retitle('c')]);
    await harness.commit([harness.of({ type: 'delete', table: book, id: '1', guard })]);
    expect(seen).toEqual([
      [false, false],
      [true, true],
      [true, true],
      [true, undefined],
    ]);
  });

  test('records are found by the values of a field, or of its list', async () => {
    const harness = await library(subject);
    const find = async (name: keyof typeof ROWS, field: string, by: Omit<RecordsBy, 'field'> & { query?: string }) => {
      const table = harness.tableNamed(name);
      const { query, ...rest } = by;
      const found = await harness.store.recordsBy(table, {
        ...rest,
        field: table.fields.find((it) => it.name === field) as FieldPlan,
        filter: query === undefined ? undefined : harness.query(query, table).filter,
      });
      return found.map(({ id }) => id).join(' ');
    };
    const limit = 9;
    expect(await find('Book', 'authorId', { values: ['ada', 'bob', 'nope'], limit })).toBe('1 2 3');
    expect(await find('Book', 'authorId', { values: ['ada', 'bob'], limit: 2 })).toBe('1 2');
    expect(await find('Book', 'authorId', { values: ['ada', 'bob'], limit, query: 'title!=Notes' })).toBe('1 3');
    expect(await find('Book', 'authorId', { values: [], limit })).toBe('');
    expect(await find('Book', 'tagIds', { values: ['y'], limit })).toBe('1 2');
    expect(await find('Book', 'tagIds', { values: ['x', 'y'], limit })).toBe('1 2');
    expect(await find('Author', 'id', { values: ['mary', 'ada'], limit, query: 'books!=null' })).toBe('ada');
    const table = harness.tableNamed('Author');
    const [ada] = await harness.store.recordsBy(table, { field: table.primaryKey, values: ['ada'], limit });
    expect(ada).toEqual(await harness.store.get(table, 'ada'));
  });

  describe('related', () => {
    test('gives what a relation of one record stands for', async () => {
      const harness = await library(subject);
      const { store } = harness;
      const selected = (name: keyof typeof ROWS, query: string) =>
        harness.query(query, harness.tableNamed(name)).select?.relations[0] as SelectedRelation;
      expect(await store.related(selected('Book', 'select=author{name}'), 'ada')).toBe('{"name":"Ada"}');
      expect(await store.related(selected('Book', 'select=author{name}'), 'gone')).toBe('null');
      expect(await store.related(selected('Book', 'select=author{name}'), null)).toBe('null');
      expect(await store.related(selected('Book', 'select=tags{id}'), '["y","gone","x"]')).toBe(
        '[{"id":"y"},{"id":"x"}]',
      );
      expect(await store.related(selected('Book', 'select=tags{id}'), null)).toBe('[]');
      expect(await store.related(selected('Author', 'select=books{id,price}'), 'ada')).toBe(
        '[{"id":"1","price":5},{"id":"2","price":0.1}]',
      );
      expect(await store.related(selected('Tag', 'select=books{author{name}}'), 'x')).toBe(
        '[{"author":{"name":"Ada"}}]',
      );
    });

    test('gives at most 1000 records, those with the first keys', async () => {
      const harness = await library(subject);
      const book = harness.tableNamed('Book');
      const many = Array.from({ length: 1001 }, (_, n) => `m${1000 + n}`);
      const of = (id: string) => harness.of({ type: 'create', table: book, id, cells: [id, id, 'bob'] });
      await harness.commit(many.map(of));
      const { select } = harness.query('select=books{id}', harness.tableNamed('Author'));
      const [books] = select?.relations ?? [];
      const found = JSON.parse(await harness.store.related(books as SelectedRelation, 'bob')) as { id: string }[];
      expect(found.map(({ id }) => id)).toEqual(['3', ...many.slice(0, 999)]);
    });

    test('gives the records that are shown alone', async () => {
      const harness = await library(subject);
      const book = harness.tableNamed('Book');
      const { select } = harness.query('select=books{id}', harness.tableNamed('Author'));
      const { filter } = harness.query('price>1', book);
      const selected = { ...(select?.relations[0] as SelectedRelation), ...(filter && { filter }) };
      expect(await harness.store.related(selected, 'ada')).toBe('[{"id":"1"}]');
    });
  });
}
