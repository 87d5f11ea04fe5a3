import { describe, expect, test } from 'vitest';
import { describeTable } from '../../src/schema/migration/stored.ts';
import { namesActors } from '../../src/schema/plan.ts';
import { mistakesOf, planOf, readMarks, tableOf } from './mistakes.ts';

const AUTHOR = 'type Author @table { id: ID! @primaryKey name: String books: [Book] @relationship(to: "authorId") }\n';
const book = (fields: string) => `${AUTHOR}type Book @table { id: ID! @primaryKey authorId: ID ${fields} }`;

describe('onDelete', () => {
  test.each(['onDelete: CASCADE', 'onDelete: "CASCADE"'])('is a word, with or without quotes: %s', (written) => {
    const plan = planOf(book(`author: Author @relationship(from: "authorId", ${written})`));
    const [author, one] = plan.tables;
    expect(one?.references).toMatchObject([{ field: { name: 'authorId' }, onDelete: 'CASCADE' }]);
    expect(one?.references[0]?.target).toBe(author);
    expect(author?.referrers).toEqual(one?.references);
    expect(author?.references).toEqual([]);
  });

  test('gives the field an index, unless it is unique or the key', () => {
    const fields = (sdl: string) =>
      describeTable(tableOf(sdl, 'Book')).columns.map(({ name, indexed }) => [name, indexed]);
    const relation = 'author: Author @relationship(from: "authorId", onDelete: RESTRICT)';
    expect(fields(book(relation))).toEqual([
      ['id', false],
      ['authorId', true],
    ]);
    expect(fields(book('author: Author @relationship(from: "authorId")'))).toContainEqual(['authorId', false]);
    const shared = `${AUTHOR}type Book @table { id: ID! @primaryKey authorId: ID author: Author @relationship(from: id, onDelete: CASCADE) }`;
    expect(fields(shared)).toContainEqual(['id', false]);
  });

  test('deletes before it changes and refuses, whatever the order in the schema', () => {
    const [, two] = planOf(
      `type C @table { id: ID! @primaryKey a: ID b: ID c: ID
        ar: P @relationship(from: a, onDelete: RESTRICT) br: P @relationship(from: b, onDelete: SET_NULL)
        cr: P @relationship(from: c, onDelete: CASCADE) }
      type P @table { id: ID! @primaryKey }`,
    ).tables;
    expect(two?.referrers.map(({ onDelete }) => onDelete)).toEqual(['CASCADE', 'SET_NULL', 'RESTRICT']);
  });

  test.each([
    [
      'author: Author @relationship(from: "authorId", onDelete: §CASKADE)',
      'unknown onDelete "CASKADE"',
      'did you mean "CASCADE"?',
    ],
    [
      'author: Author @relationship(from: "authorId", onDelete: §set_null)',
      'unknown onDelete "set_null"',
      'did you mean "SET_NULL"?',
    ],
    [
      'author: Author @relationship(from: "authorId", onDelete: §7)',
      'unknown onDelete ""',
      'one of CASCADE, SET_NULL, RESTRICT',
    ],
    [
      'must: ID! author: Author @relationship(from: "must", onDelete: §SET_NULL)',
      'SET_NULL needs a field that may be null, and "must" is required',
      'remove its "!", or write CASCADE or RESTRICT',
    ],
    [
      'sum: String @computed(from: "lower(authorId)") author: Author @relationship(from: "sum", onDelete: §SET_NULL)',
      'SET_NULL does not work on the computed field "sum"',
      'write CASCADE or RESTRICT',
    ],
    [
      'ids: [ID] authors: [Author] @relationship(from: "ids", onDelete: §CASCADE)',
      'onDelete does not work with a list of keys',
      'make a table whose records have one key of Author each',
    ],
    [
      'bookId: ID books: [Book] @relationship(to: "bookId", onDelete: §CASCADE)',
      'onDelete needs "from"',
      'the side with the key decides: write it on a relation of Book with from: "bookId"',
    ],
    [
      'a: Author @relationship(from: "authorId", onDelete: CASCADE) b: Author @relationship(from: "authorId", onDelete: §RESTRICT)',
      '"authorId" has an onDelete already',
      'write it on one relation of the field',
    ],
    [
      'author: Author @relationship(from: "authorId", §ondelete: CASCADE)',
      'unknown argument "ondelete" of @relationship',
      'did you mean "onDelete"?',
    ],
    [
      'author: §Nobody @relationship(from: "authorId", onDelete: CASCADE)',
      '@relationship needs a table, and "Nobody" is not one',
      'name a type with @table',
    ],
    [
      'author: Author @relationship(from: §"autor", onDelete: CASCADE)',
      'type "Book" has no stored field "autor"',
      undefined,
    ],
  ])('is reported with line and column: %s', (marked, message, hint) => {
    const { text, places } = readMarks(book(marked));
    const [found, ...others] = mistakesOf(text);
    expect(found).toBe(`${places[0]} ${message}${hint === undefined ? '' : ` | ${hint}`}`);
    expect(others).toEqual([]);
  });
});

test('tables that all refer to each other are walked through once', () => {
  const count = 200;
  const next = (index: number, step: number) => `T${(index + step) % count}`;
  const types = Array.from(
    { length: count },
    (_, index) => `type T${index} @table @export(public: [read]) @access(update: "a.b.c.own==$auth.sub") {
      id: ID! @primaryKey own: ID aId: ID bId: ID cId: ID
      a: ${next(index, 1)} @relationship(from: "aId", onDelete: CASCADE)
      b: ${next(index, 7)} @relationship(from: "bId", onDelete: SET_NULL)
      c: ${next(index, 0)} @relationship(from: "cId", onDelete: CASCADE) }`,
  );
  const plain = planOf(types.join('\n'));
  expect(plain.tables.filter((table) => namesActors(table))).toEqual([]);
  const audited = planOf(types.join('\n').replace('type T0 @table', 'type T0 @table @audit'));
  expect(audited.tables.every((table) => namesActors(table))).toBe(true);
});
