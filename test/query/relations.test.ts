import type { Database } from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileListSql } from '../../src/store/sqlite/sql/index.ts';
import { AUTHOR, BOOK, list, openLibrary, query, TAG } from './library.ts';
import { NAMES } from './products.ts';

let db: Database;
beforeAll(() => {
  db = openLibrary();
});
afterAll(() => db.close());

const ids = (table: typeof BOOK, text: string): string =>
  list(db, table, text)
    .map(({ id }) => id)
    .join(' ');

describe('select includes records of other tables', () => {
  test('one, by its key; null where there is none', () => {
    expect(list(db, BOOK, 'select=title,author{name}')).toEqual([
      { id: '1', title: 'Engines', author: { name: 'Ada' } },
      { id: '2', title: 'Notes', author: { name: 'Ada' } },
      { id: '3', title: 'Boats', author: { name: 'Bob' } },
      { id: '4', title: 'Lost', author: null },
      { id: '5', title: 'Loose', author: null },
    ]);
  });

  test('many that point here, in the order of their keys', () => {
    expect(list(db, AUTHOR, 'select=books{title,price}&name=ge=B')).toEqual([
      { id: 'bob', books: [{ title: 'Boats', price: null }] },
      { id: 'mary', books: [] },
    ]);
    expect(list(db, TAG, 'select=books{id}')).toEqual([
      { id: 'x', books: [{ id: '1' }] },
      { id: 'y', books: [{ id: '1' }, { id: '2' }] },
    ]);
  });

  test('many of a list of keys, in its order, without those that are gone', () => {
    expect(list(db, BOOK, 'select=tags{label}&limit=3')).toEqual([
      { id: '1', tags: [{ label: 'Exact' }, { label: 'Why' }] },
      { id: '2', tags: [{ label: 'Why' }] },
      { id: '3', tags: [] },
    ]);
  });

  test('over several steps, and over the same table', () => {
    expect(list(db, BOOK, 'select=author{name,mentor{name,mentor{id}},books{title,tags{id}}}&id=1')).toEqual([
      {
        id: '1',
        author: {
          name: 'Ada',
          mentor: { name: 'Mary', mentor: null },
          books: [
            { title: 'Engines', tags: [{ id: 'x' }, { id: 'y' }] },
            { title: 'Notes', tags: [{ id: 'y' }] },
          ],
        },
      },
    ]);
  });

  test('all fields without braces and with a star, but never a hidden one', () => {
    expect(list(db, BOOK, 'select=author&id=1')).toEqual([
      { id: '1', author: { id: 'ada', name: 'Ada', mentorId: 'mary' } },
    ]);
    expect(list(db, BOOK, 'select=*,tags&id=1')).toEqual([
      {
        id: '1',
        title: 'Engines',
        authorId: 'ada',
        tagIds: ['x', 'y'],
        price: 5,
        tags: [
          { id: 'x', label: 'Exact' },
          { id: 'y', label: 'Why' },
        ],
      },
    ]);
    expect(list(db, TAG, '')).toEqual([
      { id: 'x', label: 'Exact' },
      { id: 'y', label: 'Why' },
    ]);
  });

  test.each([
    [BOOK, 'select=autor{name}', 'Book has no field "autor"; did you mean "author"?'],
    [BOOK, 'select=author{nam}', 'column 8: Author has no field "nam"; did you mean "name"?'],
    [BOOK, 'select=author{name', 'column 12: expected , or }'],
    [BOOK, 'select=author{}', 'column 8: expected a field'],
    [BOOK, 'select=author,author{name}', 'column 8: author is named twice'],
    [TAG, 'select=secret', 'Tag has no field "secret"'],
    [AUTHOR, 'select=mentor{mentor{mentor{mentor{mentor{id}}}}}', 'relations nest at most 4 deep'],
    [BOOK, `select=author{${Array.from({ length: 20 }, () => 'books{id}').join(',')}}`, 'books is named twice'],
  ])('%o %s', (table, text, message) => {
    expect(() => query(table, text)).toThrow(message);
  });
});

describe('a filter reads records of other tables', () => {
  test.each([
    [BOOK, 'author.name==Ada', '1 2'],
    [BOOK, 'author.name!=Ada', '3 4 5'],
    [BOOK, 'author.name=in=Ada,Bob', '1 2 3'],
    [BOOK, 'author.name==B*|title==Lost', '3 4'],
    [BOOK, 'author==null', '4 5'],
    [BOOK, 'author!=null', '1 2 3'],
    [BOOK, 'author.mentorId==null', '3'],
    [BOOK, 'author.mentor.name==Mary', '1 2'],
    [BOOK, 'author.mentor==null', '3 4 5'],
    [BOOK, '!(author.name==Ada)', '3 4 5'],
    [BOOK, 'tags.label==Why', '1 2'],
    [BOOK, 'tags.label==Exact&author.name==Ada', '1'],
    [BOOK, 'tags==null', '3 4 5'],
    [AUTHOR, 'books.title==Boats', 'bob'],
    [AUTHOR, 'books.price=lt=1', 'ada'],
    [AUTHOR, 'books==null', 'mary'],
    [AUTHOR, 'books.tags.label==Exact', 'ada'],
    [TAG, 'books.title==Notes', 'y'],
    [TAG, 'books.author.name==Ada', 'x y'],
    [BOOK, `filter=${encodeURIComponent('author.name=="Ada" ; title==N*')}`, '2'],
  ])('%o %s', (table, text, expected) => {
    expect(ids(table, text)).toBe(expected);
  });

  test.each([
    [BOOK, 'author==Ada', 'author stands for records of Author: compare one of their fields, such as author.name'],
    [BOOK, 'author=gt=1', 'author stands for records of Author'],
    [BOOK, 'author.nam==Ada', 'column 8: Author has no field "nam"; did you mean "name"?'],
    [BOOK, 'tags.secret==s', 'Tag has no field "secret"'],
    [TAG, 'secret==s', 'Tag has no field or parameter "secret"'],
    [TAG, 'sort=secret', 'Tag has no field "secret"'],
    [AUTHOR, 'mentor.mentor.mentor.mentor.mentor.id==x', 'a filter follows at most 4 relations'],
  ])('%o %s is refused', (table, text, message) => {
    expect(() => query(table, text)).toThrow(message);
  });

  test('begins at the index of the other table', () => {
    const { sql, params } = compileListSql(query(BOOK, 'author.name==Ada'), BOOK, NAMES);
    const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[];
    const plan = steps.map(({ detail }) => detail).join('; ');
    expect(plan).toContain('SEARCH t USING INDEX Book_authorId (authorId=?)');
    expect(plan).toContain('SEARCH r0 USING INDEX Author_name (name=?)');
  });

  test('names the tables whose records it reads', () => {
    const { related } = query(BOOK, 'author.books.title==x&select=id,tags{id}');
    expect([...related].map(({ name }) => name).sort()).toEqual(['Author', 'Book', 'Tag']);
  });
});
