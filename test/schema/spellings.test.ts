import { expect, test } from 'vitest';
import type { TablePlan } from '../../src/schema/plan.ts';
import { mistakesOf, planOf } from './mistakes.ts';

/** Returns a plan without locations and without circular references, to be compared. */
function meaningOf(sdl: string): unknown {
  const isPlace = (name: string) => name === 'at' || name === 'target';
  const plain = (name: string, value: unknown) => {
    if (isPlace(name)) return undefined;
    if (value instanceof Set) return ['set', ...value];
    return value instanceof Map ? ['map', ...value] : value;
  };
  return planOf(sdl).tables.map((table: TablePlan) => JSON.parse(JSON.stringify(table, plain)) as unknown);
}

const OTHER = 'type Author @table @export { id: ID! @primaryKey }';
const BOOK = `${OTHER} type Book @table @export { id: ID! @primaryKey authorId: ID @indexed`;
const two = (directives: string) => `type A @table @export ${directives} { id: ID! @primaryKey a: Int b: Int c: Int }`;

// Spellings of related systems, each with the one of the documentation.
const SAME = [
  [
    `${BOOK} author: Author @relationship(from: authorId) }`,
    `${BOOK} author: Author @relationship(from: "authorId") }`,
  ],
  [
    `${OTHER.replace('}', 'books: [Book] @relationship(to: authorId) }')} type Book @table { id: ID! @primaryKey authorId: ID }`,
    `${OTHER.replace('}', 'books: [Book] @relationship(to: "authorId") }')} type Book @table { id: ID! @primaryKey authorId: ID }`,
  ],
  [two('@compositeIndex(fields: "a,b")'), two('@compositeIndex(fields: ["a", "b"])')],
  [
    two('@compositeIndex(fields: "c, a ,b", unique: true) @compositeIndex(fields: [a, b])'),
    two('@compositeIndex(fields: ["c", "a", "b"], unique: true) @compositeIndex(fields: ["a", "b"])'),
  ],
  [
    'type A @table(database: shop, table: goods) @export(name: things) { id: ID! @primaryKey t: String @indexed(type: fulltext) }',
    'type A @table(database: "shop", table: "goods") @export(name: "things") { id: ID! @primaryKey t: String @indexed(type: "fulltext") }',
  ],
  [
    'type A @table @export @access(public: [read, subscribe]) { id: ID! @primaryKey }',
    'type A @table @export(public: [read, subscribe]) { id: ID! @primaryKey }',
  ],
  [
    'type A @table @export @access(public: [read], create: "editor") { id: ID! @primaryKey }',
    'type A @table @export(public: [read]) @access(create: "editor") { id: ID! @primaryKey }',
  ],
  [
    'type A @table @export(rest: true, graphql: false, mqtt: false, mcp: false, grpc: false, ws: false) { id: ID! @primaryKey }',
    'type A @table @export(rest: true, ws: false) { id: ID! @primaryKey }',
  ],
] as const;

test.each(SAME)('%s is a spelling of %s', (sdl, canonical) => {
  expect(meaningOf(sdl)).toEqual(meaningOf(canonical));
});

test.each([
  [
    'type A @table @export(mqtt: true) { id: ID! @primaryKey }',
    '1:29 Tablecast has no MQTT | write mqtt: false, or leave it out; there are rest, sse and ws',
  ],
  [
    'type A @table @export(graphql: true) { id: ID! @primaryKey }',
    '1:32 Tablecast has no GraphQL | write graphql: false, or leave it out; there are rest, sse and ws',
  ],
  [
    'type A @table @export(grpc: "no") { id: ID! @primaryKey }',
    '1:29 argument "grpc" of @export expects true or false',
  ],
  [
    two('@compositeIndex(fields: "a")'),
    '1:47 @compositeIndex needs 2 to 16 fields | for one field write @indexed or @unique there',
  ],
  [two('@compositeIndex(fields: "a,,b")'), '1:47 type "A" has no stored field ""'],
  [two('@compositeIndex(fields: "a,bb")'), '1:47 type "A" has no stored field "bb"'],
  [
    'type A @table @export(public: [read]) @access(public: [read]) { id: ID! @primaryKey }',
    '1:55 public is in @export and in @access | write it once: @export(public: [read])',
  ],
  [
    'type A @table @export @access(public: [reed]) { id: ID! @primaryKey }',
    '1:40 unknown action "reed" | did you mean "read"?',
  ],
  [
    'type A @table @export { id: ID! @primaryKey s: String @access(public: [read]) }',
    '1:71 public is for types | a field has read and write',
  ],
  [`${BOOK} author: Author @relationship(from: autorId) }`, 'did you mean "authorId"?'],
])('%s is refused', (sdl, mistake) => {
  expect(mistakesOf(sdl).join('\n')).toContain(mistake);
});
