import { expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { RecordParser } from '../../src/resources/body/record-parser.ts';
import { describePlan } from '../../src/schema/print.ts';
import { makePlan } from '../../src/schema/sdl/build.ts';

const app = { appId: 'app', rest: true, sse: true, ws: true };
const plan = (text: string) => makePlan([{ file: 's.graphql', text }], app);

const AUTHOR = 'type Author @table { id: ID! @primaryKey books: [Book!] @relationship(to: "authorId") }\n';
const book = (fields: string) => `${AUTHOR}type Book @table { id: ID! @primaryKey authorId: String ${fields} }`;

function mistake(text: string): string {
  try {
    plan(text);
  } catch (error) {
    return String(error instanceof Error ? error.message : error);
  }
  throw new Error('the schema was taken');
}

test('relations point at the other plan, and are no columns', () => {
  const made = plan(
    book('author: Author @relationship(from: "authorId") tags: [ID] near: [Book] @relationship(from: "tags")'),
  );
  const [author, books] = made.tables;
  expect(author?.fields.map(({ name }) => name)).toEqual(['id']);
  expect(books?.fields.map(({ name }) => name)).toEqual(['id', 'authorId', 'tags']);
  expect(author?.relations).toMatchObject([{ name: 'books', many: true, to: { name: 'authorId' } }]);
  expect(author?.relations[0]?.target).toBe(books);
  expect(books?.relations.map(({ name, many, from }) => [name, many, from?.name])).toEqual([
    ['author', false, 'authorId'],
    ['near', true, 'tags'],
  ]);
  expect(books?.relations[1]?.target).toBe(books);
  expect(Object.isFrozen(author?.relations)).toBe(true);
});

test.each([
  ['author: Author @relationship(from: "autorId")', 'no stored field "autorId"'],
  ['author: Author @relationship', 'exactly one of "from" and "to"'],
  ['author: Author @relationship(from: "authorId", to: "id")', 'exactly one of "from" and "to"'],
  ['author: Author! @relationship(from: "authorId")', 'cannot be required'],
  ['author: [Author] @relationship(from: "authorId")', 'has one key'],
  ['n: Int author: Author @relationship(from: "n")', 'the key of Author is ID'],
  ['ids: [ID] author: Author @relationship(from: "ids")', 'has a list of keys'],
  ['author: Author @relationship(from: "authorId") @indexed', '@indexed does not work on a relation'],
  ['authorid: Author @relationship(from: "authorId")', 'differ only in upper and lower case'],
  ['author: Autor @relationship(from: "authorId")', '"Autor" is not one'],
  ['all: [[Author]] @relationship(from: "authorId")', 'not a list of lists'],
  ['other: ID b: Book @relationship(to: "other")', 'may have the same "other"'],
])('%s', (fields, message) => {
  const told = mistake(book(fields));
  expect(told).toContain(message);
  expect(told).toMatch(/s\.graphql:2:\d+/);
});

test('a single record is allowed when its key is unique', () => {
  const made = plan(book('other: ID @unique b: Book @relationship(to: "other")'));
  expect(made.tables[1]?.relations).toMatchObject([{ name: 'b', many: false, to: { name: 'other' } }]);
});

test('the error of a write with a relation names the field to send', () => {
  const table = plan(book('author: Author @relationship(from: "authorId")')).tables[1];
  if (table === undefined) throw new Error('no table');
  const parser = new RecordParser(table, { id: 100, jsonKeys: 100, jsonDepth: 10 } as never);
  const send = () => parser.parsePatch({ author: {}, nix: 1 });
  expect(send).toThrow(AppError);
  expect(send).toThrow(/stands for records of Author; send authorId/);
});

test('check lists relations and those without an index', () => {
  const shown = (fields: string) => describePlan(plan(book(fields)), config).join('\n');
  const config = {
    server: { host: 'h', port: 1 },
    app: { dataDir: 'd', durability: 'full', realtime: { enabled: false }, hooks: [], routes: [] },
  } as never;
  expect(shown('')).toContain(
    'related  books: [Book] by Book.authorId\n  note     looking up books reads every record of Book',
  );
  const indexed = makePlan(
    [{ file: 's.graphql', text: book('').replace('authorId: String', 'authorId: String @indexed') }],
    app,
  );
  expect(describePlan(indexed, config).join('\n')).not.toContain('note');
  const kept = shown('author: Author @relationship(from: "authorId", onDelete: CASCADE)');
  expect(kept).toContain('related  author: Author by its own authorId, which is checked; is deleted with it');
  expect(kept).not.toContain('note');
});
