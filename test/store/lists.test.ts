import { describe, expect, test } from 'vitest';
import { parseListQuery } from '../../src/query/index.ts';
import type { TablePlan } from '../../src/schema/plan.ts';
import type { Cell, ListPage, Write } from '../../src/store/store.ts';
import { LIMITS } from '../query/tables.ts';
import { type OpenStore, StoreFolder } from './stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey n: Int @indexed text: String l: Long }';
const NONE: ReadonlySet<string> = new Set();

const tableOf = ({ plan }: OpenStore) => plan.tables[0] as TablePlan;

function put(bench: OpenStore, ...rows: Cell[][]): void {
  const table = tableOf(bench);
  bench.store.commit([rows.map((cells): Write => ({ type: 'put', table, id: cells[0] as string, cells }))]);
}

function list(bench: OpenStore, query: string): ListPage {
  return bench.store.list(tableOf(bench), parseListQuery(query, tableOf(bench), LIMITS, NONE));
}

describe('a page', () => {
  test('tells where the next one begins, until there is none, and how many there are', () => {
    const bench = new StoreFolder().open(SDL);
    put(bench, ...Array.from({ length: 5 }, (_, n) => [`${n}`, n % 2, `x${n}`, null]));
    const first = list(bench, 'sort=-n&limit=2&select=id&count=true');
    expect(first).toEqual({ json: '[{"id":"1"},{"id":"3"}]', next: expect.stringMatching(/^[\w-]+$/), total: 5 });
    const second = list(bench, `sort=-n&limit=2&select=id&cursor=${first.next}`);
    expect(second).toEqual({ json: '[{"id":"0"},{"id":"2"}]', next: expect.any(String) });
    // What comes and goes between pages moves nothing.
    put(bench, ['00', 1, 'new', null]);
    expect(list(bench, `sort=-n&limit=2&select=id&cursor=${second.next}`)).toEqual({ json: '[{"id":"4"}]' });
    expect(list(bench, 'n=1&limit=3&count=true')).toMatchObject({ total: 3 });
    expect(list(bench, 'n=7&count=true')).toEqual({ json: '[]', total: 0 });
  });

  test('is sorted where fields are called as SQLite calls the number of a row', () => {
    const fields = ['rowid: Int', 'oid: Int'];
    const bench = new StoreFolder().open(`type T @table { id: ID! @primaryKey ${fields.join(' ')} n: Int }`);
    put(bench, ...[3, 1, 2].map((n) => [`${n}`, ...fields.map(() => 1), n]));
    expect(JSON.parse(list(bench, 'sort=-n&select=id').json)).toEqual([{ id: '3' }, { id: '2' }, { id: '1' }]);
  });

  test('goes on after a key that no number holds', () => {
    const bench = new StoreFolder().open('type T @table { id: Long! @primaryKey }');
    const keys = [9_223_372_036_854_775_806n, 9_223_372_036_854_775_807n];
    const table = tableOf(bench);
    for (const id of keys) bench.store.commit([[{ type: 'put', table, id: id as never, cells: [id] }]]);
    const first = list(bench, 'limit=1');
    expect(first.json).toBe('[{"id":"9223372036854775806"}]');
    expect(list(bench, `limit=1&cursor=${first.next}`)).toEqual({ json: '[{"id":"9223372036854775807"}]' });
  });
});

describe('a query without an index', () => {
  const refused = expect.objectContaining({ code: 'SCAN_TOO_LARGE' });

  test('is answered up to a size of the table, and refused beyond it', () => {
    const bench = new StoreFolder().open(SDL, { largestScan: 3 });
    put(bench, ['a', 1, 'x', null], ['b', 2, 'x', null], ['c', 3, 'x', null]);
    expect(JSON.parse(list(bench, 'text=x').json)).toHaveLength(3);
    put(bench, ['d', 4, 'x', null]);
    for (const query of ['text=x', 'sort=text', 'n=1|text=x', 'text=ct=x&sort=n', 'text=x&sort=id&limit=1']) {
      expect(() => list(bench, query), query).toThrow(refused);
    }
    for (const query of ['', 'n=1', 'n=1&text=x', 'n=1&sort=text', 'sort=n', 'sort=-id', 'id=a&text=x', 'n=1|n=2']) {
      expect(() => list(bench, query), query).not.toThrow();
    }
    const table = tableOf(bench);
    expect(() => bench.store.records(table, parseListQuery('text=x', table, LIMITS, NONE))).toThrow(refused);
    bench.store.commit([[{ type: 'delete', table, id: 'd' }]]);
    expect(JSON.parse(list(bench, 'text=x').json)).toHaveLength(3);
    put(bench, ['e', 5, 'x', null]);
    expect(() => list(bench, 'text=x')).toThrow(refused);
  });
});

test('the words of a text are found without an index', () => {
  const bench = new StoreFolder().open('type T @table { id: ID! @primaryKey text: String tags: [String] }');
  put(
    bench,
    ['a', 'Crème brûlée, 2 Portions!', null],
    ['b', 'creme de la creme', JSON.stringify(['Süß', 'hot dog'])],
    ['c', null, JSON.stringify([])],
  );
  const find = (condition: string) =>
    (JSON.parse(list(bench, `${condition}&select=id`).json) as { id: string }[]).map(({ id }) => id).join('');
  expect(find('text=ft=creme')).toBe('ab');
  expect(find('text=ft=CR%C3%88ME%20brulee')).toBe('a');
  expect(find('text=ft=brulee%20creme%202')).toBe('a');
  expect(find('text=ft=brul*')).toBe('a');
  expect(find('text=ft=brul')).toBe('');
  expect(find('tags=ft=dog%20sus*')).toBe('b');
  expect(find('!(text=ft=creme)')).toBe('c');
});
