import type { Database } from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseListQuery } from '../../src/query/index.ts';
import { compileListSql } from '../../src/store/sqlite/sql/index.ts';
import { list, listRecords, NAMES, openProducts, PRODUCT, parse, RESERVED, ROWS } from './products.ts';
import { field, LIMITS, scalar, table } from './tables.ts';

let db: Database;
beforeAll(() => {
  db = openProducts();
});
afterAll(() => db.close());

function ids(query: string): string {
  return listRecords(db, query)
    .map(({ id }) => String(Number(id.slice(1))))
    .join(' ');
}

describe('parseListQuery', () => {
  test('without parameters: everything in key order, one page', () => {
    expect(parse('')).toEqual({
      sort: [],
      limit: 100,
      offset: 0,
      count: false,
      related: new Set(),
      dependencies: new Set(),
      others: new Map(),
      given: new Set(),
    });
  });

  test('gives the reserved parameters to the caller, decoded once', () => {
    const { others, filter } = parse('stream=sse&since=17&token=a%252Bb+c%3D%3D&title=x');
    expect([...others]).toEqual([
      ['stream', 'sse'],
      ['since', '17'],
      ['token', 'a%2Bb c=='],
    ]);
    expect(filter).toMatchObject({ type: 'compare', op: 'eq', value: 'x' });
  });

  test('the value of a parameter ends at the next &, whatever it contains', () => {
    expect([...parse('token=a|b(c)=gt=*').others]).toEqual([['token', 'a|b(c)=gt=*']]);
    expect([...parse('token=').others]).toEqual([['token', '']]);
  });

  test('a parameter that is neither reserved nor a field is refused', () => {
    const none = new Set<string>();
    expect(() => parseListQuery('stream=sse', PRODUCT, LIMITS, none)).toThrow(/no field or parameter "stream"/);
  });

  test('a reserved word that is a field is the parameter, and the field is reached through filter=', () => {
    const query = parse('limit=3&filter=limit==7');
    expect(query.limit).toBe(3);
    expect(ids('limit=3&filter=limit==7')).toBe('7');
  });

  test('is frozen', () => {
    const query = parse('sort=title&select=title');
    expect([query, query.sort, query.select].every(Object.isFrozen)).toBe(true);
  });

  test('the maximum of a page is the configured one', () => {
    const limits = { ...LIMITS, pageDefault: 2, pageMax: 3 };
    expect(parseListQuery('', PRODUCT, limits, RESERVED).limit).toBe(2);
    expect(parseListQuery('limit=3', PRODUCT, limits, RESERVED).limit).toBe(3);
    expect(() => parseListQuery('limit=4', PRODUCT, limits, RESERVED)).toThrow(/from 1 to 3/);
  });
});

describe('compileListSql', () => {
  test('names every field of the schema, binds values, writes the limit out, and orders by the key', () => {
    const plan = table('Note', [field('id', scalar('ID')), field('text', scalar('String'))]);
    const query = parseListQuery('text=a&limit=5&offset=2', plan, LIMITS, RESERVED);
    expect(compileListSql(query, plan, NAMES)).toEqual({
      sql: `SELECT json_object('id', t."id", 'text', t."text") FROM "Note" AS t WHERE t."text" = ? ORDER BY t."id" LIMIT 6 OFFSET ?`,
      params: ['a', 2],
    });
  });

  test.each([
    ['', ROWS.map((_, index) => index + 1).join(' ')],
    ['limit=3', '1 2 3'],
    ['limit=3&offset=2', '3 4 5'],
    ['offset=18', '19 20'],
    ['offset=999999999999999', ''],
    ['sort=-id&limit=3', '20 19 18'],
    ['sort=price&limit=6', '5 10 15 20 1 2'],
    ['sort=-price&offset=14', '2 1 5 10 15 20'],
    ['sort=active,-stock&limit=4', '9 19 17 15'],
    ['sort=-active,%2Bstock&limit=3', '2 4 6'],
    ['sort=-active,+stock&limit=3', '2 4 6'],
    ['sort=kind&limit=6', '17 18 19 20 9 10'.replace('9 10', '1 2')],
    ['sort=-kind&limit=3', '9 10 11'],
    ['sort=-title&limit=2', '13 14'],
    ['sort=id,-title&limit=2', '1 2'],
    ['sort=-made&stock<0&limit=2', '9 8'],
  ])('%s', (query, expected) => {
    expect(ids(query)).toBe(expected);
  });

  test('select returns the named fields in schema order, with the key', () => {
    const { sql, params } = list('select=stock,title&title=Anvil');
    expect(
      db
        .prepare(sql)
        .pluck()
        .all(...params),
    ).toEqual(['{"id":"r01","title":"Anvil","stock":-9}']);
    expect(parse('select=id').select?.fields.map(({ name }) => name)).toEqual(['id']);
  });

  test('a filter may use fields that are not selected', () => {
    const { sql, params } = list('select=title&stock=9');
    expect(
      db
        .prepare(sql)
        .pluck()
        .all(...params),
    ).toEqual([`{"id":"r19","title":"O'Hara"}`]);
  });
});

describe('indexes', () => {
  const planOf = (query: string): string => {
    const { sql, params } = list(query);
    const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[];
    return steps.map(({ detail }) => detail).join('; ');
  };

  test.each([
    ['title=Box', 'SEARCH t USING INDEX by_title (title=?)'],
    ['stock==5&active=true', 'SEARCH t USING INDEX by_stock (stock=?)'],
    ['stock=in=1,2', 'SEARCH t USING INDEX by_stock (stock=?)'],
    ['title==null', 'SEARCH t USING INDEX by_title (title=?)'],
    ['stock=gt=5&sort=stock', 'SEARCH t USING INDEX by_stock (stock>?)'],
    ['stock=ge=5&stock=lt=9', 'SEARCH t USING INDEX by_stock (stock>? AND stock<?)'],
    ['stock=gele=5,9', 'SEARCH t USING INDEX by_stock (stock>? AND stock<?)'],
    ['made=lt=2025-01-03&sort=-made', 'SEARCH t USING INDEX by_made (made<?)'],
    ['title==Bo*', 'SEARCH t USING INDEX by_title (title>? AND title<?)'],
    ['title=sw=Bo', 'SEARCH t USING INDEX by_title (title>? AND title<?)'],
    ['title==B*x*r', 'SEARCH t USING INDEX by_title (title>? AND title<?)'],
    ['stock=5|title=Box', 'MULTI-INDEX OR'],
    ['id=r01', 'SEARCH t USING INDEX sqlite_autoindex_Product_1 (id=?)'],
    ['sort=stock&limit=5', 'SCAN t USING INDEX by_stock'],
  ])('%s is answered by an index', (query, expected) => {
    expect(planOf(query)).toContain(expected);
  });

  test('a filter on a field without an index scans', () => {
    expect(planOf('kind=TOY')).toContain('SCAN t');
  });
});
