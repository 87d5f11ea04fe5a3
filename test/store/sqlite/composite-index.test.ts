import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { parseListQuery } from '../../../src/query/index.ts';
import { registerFunctions } from '../../../src/store/sqlite/database/open.ts';
import { compileListSql } from '../../../src/store/sqlite/sql/index.ts';
import { NAMES } from '../../../src/store/sqlite/sql/table-names.ts';
import { LIMITS } from '../../query/tables.ts';
import { insert, onlyTable, records, StoreFolder } from '../stores.ts';

const schema = (directives: string) =>
  `type T @table ${directives} { id: ID! @primaryKey room: String made: Int text: String }`;
const INDEXED = schema('@compositeIndex(fields: ["room", "made"])');
const UNIQUE = schema('@compositeIndex(fields: ["room", "made"], unique: true)');
const NONE: ReadonlySet<string> = new Set();

function explain(folder: StoreFolder, sdl: string, query: string): string {
  const table = onlyTable(folder.open(sdl));
  const { sql, params } = compileListSql(parseListQuery(query, table, LIMITS, NONE), table, NAMES);
  folder.close();
  const db = new Database(folder.file, { readonly: true });
  registerFunctions(db);
  const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[];
  db.close();
  return steps.map(({ detail }) => detail).join('; ');
}

describe('an index over several fields', () => {
  test.each([
    ['room=a&made=gt=3&sort=-made', 'SEARCH t USING INDEX data/T.room,made (room=? AND made>?)'],
    ['room=a&made=3&sort=text', 'SEARCH t USING INDEX data/T.room,made (room=? AND made=?)'],
    ['room=a&sort=made', 'SEARCH t USING INDEX data/T.room,made (room=?)'],
    ['sort=room,made', 'SCAN t USING INDEX data/T.room,made'],
  ])('serves %s', (query, plan) => {
    const steps = explain(new StoreFolder(), INDEXED, query);
    expect(steps).toContain(plan);
    if (!query.includes('text')) expect(steps).not.toContain('USE TEMP B-TREE FOR ORDER BY');
  });
});

describe('a data directory without it', () => {
  const indexes = (folder: StoreFolder) =>
    folder.query("SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'data/T%'").map(({ name }) => name);

  test('gets the index, and loses it again', () => {
    const folder = new StoreFolder();
    insert(folder.open(schema('')), ['1', 'a', 1, null]);
    expect(folder.open(INDEXED).notices).toEqual(['create an index of data.T over room, made']);
    expect(folder.open(INDEXED).notices).toEqual([]);
    expect(indexes(folder)).toEqual(['data/T.room,made']);
    expect(folder.open(UNIQUE).notices).toHaveLength(2);
    expect(folder.open(schema('')).notices).toEqual(['drop the unique index of data.T over room, made']);
    expect(indexes(folder)).toEqual([]);
  });

  test('keeps it when a field in it leaves or changes', () => {
    const folder = new StoreFolder();
    insert(folder.open(INDEXED), ['1', 'a', 1, null]);
    const open = folder.open(INDEXED.replace('made: Int', 'made: Float'));
    expect(records(open)).toEqual([{ id: '1', room: 'a', made: 1, text: null }]);
    expect(indexes(folder)).toEqual(['data/T.room,made']);
    folder.open(schema('').replace('made: Int', ''), { allowDestructive: true });
    expect(indexes(folder)).toEqual([]);
  });

  test('is left as it is when values are there twice', () => {
    const folder = new StoreFolder();
    insert(
      folder.open(schema('')),
      ['1', 'a', 1, null],
      ['2', 'a', 1, null],
      ['3', 'a', null, null],
      ['4', 'a', null, null],
    );
    const before = folder.contents();
    expect(() => folder.open(UNIQUE)).toThrow('NOT POSSIBLE: 1 value is there more than once ("a", 1 in 2 records)');
    expect(folder.contents()).toEqual(before);
  });
});
