import { describe, expect, test } from 'vitest';
import { planMigration } from '../../src/schema/migration/diff.ts';
import { describeStored, describeTable } from '../../src/schema/migration/stored.ts';
import { mistakesOf, planOf, readMarks, tableOf } from './mistakes.ts';

const sdl = (directives: string) => `type T @table ${directives} {
  id: ID! @primaryKey
  room: String
  made: Date
  tags: [String]
  other: T @relationship(from: "room")
}`;

test('indexes over several fields are read in their order', () => {
  const { compositeIndexes } = tableOf(
    sdl('@compositeIndex(fields: ["room", "made"]) @compositeIndex(fields: ["made", "id"], unique: true)'),
  );
  const read = compositeIndexes.map(({ fields, unique }) => [...fields.map(({ name }) => name), unique]);
  expect(read).toEqual([
    ['room', 'made', false],
    ['made', 'id', true],
  ]);
});

describe('an error is reported with its location', () => {
  test.each([
    ['@compositeIndex(fields: ["room", §"mad"])', 'type "T" has no stored field "mad" | did you mean "made"?'],
    ['@compositeIndex(fields: ["room", §"room"])', 'field "room" is given twice'],
    [
      '@compositeIndex(fields: §["room"])',
      '@compositeIndex needs 2 to 16 fields | for one field write @indexed or @unique there',
    ],
    ['@compositeIndex(fields: §7)', 'argument "fields" of @compositeIndex expects a list such as ["a", "b"]'],
    ['@compositeIndex(fields: §[room, 7])', 'argument "fields" of @compositeIndex expects a list such as ["a", "b"]'],
    ['§@compositeIndex', '@compositeIndex needs the argument "fields" | write @compositeIndex(fields: …)'],
    [
      '@compositeIndex(fields: ["room", §"tags"])',
      '@compositeIndex does not work on "tags" of type [String] | only on single values',
    ],
    [
      '@compositeIndex(fields: ["made", §"other"])',
      'field "other" is a relation, which is not stored | name the field with the key',
    ],
    [
      '@compositeIndex(fields: ["room", "made"]) §@compositeIndex(fields: ["room", "made"], unique: true)',
      'the index of room,made is given twice',
    ],
    [
      '§@compositIndex(fields: ["room", "made"])',
      'unknown directive "@compositIndex" | did you mean "@compositeIndex"?',
    ],
  ])('%s', (directive, message) => {
    const { text, places } = readMarks(sdl(directive));
    expect(mistakesOf(text)).toEqual([`${places[0]} ${message}`]);
  });

  test('on a type that is not a table', () => {
    const { text, places } = readMarks(
      'type N §@compositeIndex(fields: ["a", "b"]) { a: Int b: Int } type T @table { id: ID! @primaryKey n: N }',
    );
    expect(mistakesOf(text)).toEqual([`${places[0]} @compositeIndex needs @table: type "N" is not a table`]);
  });
});

test('a schema stored before they existed equals that of a table without them', () => {
  expect(describeTable(tableOf(sdl('')))).not.toHaveProperty('compositeIndexes');
});

test('a change of uniqueness rebuilds the index, a change of case does not', () => {
  const before = describeStored(planOf(sdl('@compositeIndex(fields: ["room", "made"])')));
  const after = planOf(sdl('@compositeIndex(fields: ["room", "made"], unique: true)'));
  expect(planMigration(before, after).map(({ sentence }) => sentence)).toEqual([
    'drop the index of data.T over room, made',
    'make room, made of data.T unique together: possible only while no values occur twice',
  ]);
  const shouted = sdl('@compositeIndex(fields: ["ROOM", "made"])')
    .replace('room: S', 'ROOM: S')
    .replace('"room")', '"ROOM")');
  expect(planMigration(before, planOf(shouted))).toEqual([]);
});
