import type { Database } from 'better-sqlite3';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatCursor, parseListQuery, totalOrder } from '../../src/query/index.ts';
import { registerFunctions } from '../../src/store/sqlite/database/open.ts';
import { compileListSql } from '../../src/store/sqlite/sql/index.ts';
import { compilePositionSql } from '../../src/store/sqlite/sql/list.ts';
import { NAMES } from './products.ts';
import { createSql, enumOf, field, LIMITS, scalar, table, toCell } from './tables.ts';

const PLAN = table('Thing', [
  field('id', scalar('ID')),
  field('a', scalar('Int')),
  field('b', scalar('String'), true),
  field('c', scalar('Boolean')),
  field('d', scalar('Float')),
  field('e', enumOf('E', 'x', 'y')),
  field('f', scalar('Long')),
]);
const NONE: ReadonlySet<string> = new Set();
const row = fc.record({
  a: fc.option(fc.integer({ min: 0, max: 2 })),
  b: fc.option(fc.constantFrom('', 'a', 'b"', '😀', 'null')),
  c: fc.option(fc.boolean()),
  d: fc.option(fc.constantFrom(0, 0.1, -1.5, 1e300)),
  e: fc.option(fc.constantFrom('x', 'y')),
  f: fc.option(fc.constantFrom(1, '9223372036854775807', '-9223372036854775808', '9007199254740993')),
});
const sort = fc
  .shuffledSubarray(['a', 'b', 'c', 'd', 'e', 'f', 'id'], { maxLength: 3 })
  .chain((names) => fc.tuple(...names.map((name) => fc.constantFrom(name, `-${name}`))))
  .map((keys) => keys.join(','));

function page(db: Database, text: string): { ids: string[]; cursor: string | undefined } {
  const query = parseListQuery(text, PLAN, LIMITS, NONE);
  const { sql, params } = compileListSql(query, PLAN, NAMES);
  const rows = db
    .prepare(sql)
    .pluck()
    .all(...params) as string[];
  const ids = rows.slice(0, query.limit).map((json) => (JSON.parse(json) as { id: string }).id);
  if (rows.length <= query.limit) return { ids, cursor: undefined };
  const position = db
    .prepare(compilePositionSql(query, PLAN, NAMES))
    .raw()
    .safeIntegers()
    .get(ids.at(-1));
  return { ids, cursor: formatCursor(totalOrder(query.sort, PLAN), position as never) };
}

test('pages by cursor are the whole list, in order, without duplicates', () => {
  let pages = 0;
  fc.assert(
    fc.property(fc.array(row, { maxLength: 12 }), sort, fc.integer({ min: 1, max: 4 }), (rows, by, limit) => {
      const db = new Sqlite(':memory:');
      registerFunctions(db);
      db.exec(createSql(PLAN, 'Thing'));
      const insert = db.prepare('INSERT INTO "Thing" VALUES (?, ?, ?, ?, ?, ?, ?)');
      rows.forEach((values, index) => {
        const record: Record<string, unknown> = { id: `r${index}`, ...values };
        insert.run(...PLAN.fields.map(({ name, type }) => toCell(type, record[name] as never)));
      });
      const base = by === '' ? '' : `sort=${by}&`;
      const whole = page(db, `${base}limit=1000`).ids;
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const next = page(db, `${base}limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`);
        found.push(...next.ids);
        cursor = next.cursor;
        pages++;
        expect(found.length).toBeLessThanOrEqual(rows.length);
      } while (cursor !== undefined);
      expect(found).toEqual(whole);
      db.close();
    }),
    { numRuns: 300 },
  );
  expect(pages).toBeGreaterThan(400);
});

test('a cursor on an indexed order is found by the index', () => {
  const db = new Sqlite(':memory:');
  registerFunctions(db);
  db.exec(createSql(PLAN, 'Thing'));
  db.exec('CREATE INDEX thing_b ON "Thing" (b)');
  const cursor = formatCursor(totalOrder(parseListQuery('sort=b', PLAN, LIMITS, NONE).sort, PLAN), ['x', 'r1']);
  const { sql, params } = compileListSql(parseListQuery(`sort=b&cursor=${cursor}`, PLAN, LIMITS, NONE), PLAN, NAMES);
  const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[];
  expect(steps.map(({ detail }) => detail)).toContain('SEARCH t USING INDEX thing_b (b>?)');
  db.close();
});
