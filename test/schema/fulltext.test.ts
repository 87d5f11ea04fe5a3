import { expect, test } from 'vitest';
import { mistakesOf, readMarks, tableOf } from './mistakes.ts';

const sdl = (field: string) => `type T @table { id: ID! @primaryKey ${field} }`;

test.each(['a: String', 'a: String!', 'a: [String]', 'a: [String!]!', 'a: String @unique'])('words of %s', (field) => {
  const [, read] = tableOf(sdl(`${field} @indexed(type: "fulltext")`)).fields;
  expect(read).toMatchObject({ fulltext: true, indexed: false });
});

test.each([
  [
    'a: Int @indexed(type: §"fulltext")',
    '@indexed(type: "fulltext") does not work on type Int | use String or [String]',
  ],
  [
    'a: [[String]] @indexed(type: §"fulltext")',
    '@indexed(type: "fulltext") does not work on type [[String]] | use String or [String]',
  ],
  ['a: String @indexed(type: §"fulltex")', 'unknown type of index "fulltex" | did you mean "fulltext"?'],
  [
    'a: String @indexed(type: §"hash")',
    'unknown type of index "hash" | leave it out, or write "fulltext" for an index of words',
  ],
  ['a: String @indexed(type: §true)', 'argument "type" of @indexed expects a string in double quotes'],
  ['a: String @indexed(§kind: "fulltext")', 'unknown argument "kind" of @indexed'],
  ['a: [String] §@indexed', '@indexed does not work on type [String] | only on single values'],
])('%s is refused', (field, message) => {
  const { text, places } = readMarks(sdl(field));
  expect(mistakesOf(text)).toEqual([`${places[0]} ${message}`]);
});
