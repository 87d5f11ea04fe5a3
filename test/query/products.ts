import Database from 'better-sqlite3';
import { type ListQuery, parseListQuery } from '../../src/query/index.ts';
import type { JsonValue } from '../../src/schema/plan.ts';
import { registerFunctions } from '../../src/store/sqlite/database/open.ts';
import { compileAggregateSql, compileListSql, type SqlNames } from '../../src/store/sqlite/sql/index.ts';
import { createSql, enumOf, field, LIMITS, listOf, objectOf, scalar, table, toCell } from './tables.ts';

const maker = objectOf('Maker', [
  field('name', scalar('String')),
  field('founded', scalar('Int')),
  field('serial', scalar('Long')),
  field('rate', scalar('Float')),
  field('open', scalar('Boolean')),
  field('since', scalar('Date')),
  field('marks', listOf(scalar('String'))),
  field('sites', listOf(objectOf('Site', [field('city', scalar('String'))]))),
]);

export const PRODUCT = table('Product', [
  field('id', scalar('ID')),
  field('title', scalar('String'), true),
  field('price', scalar('Float'), true),
  field('stock', scalar('Int'), true),
  field('serial', scalar('Long')),
  field('active', scalar('Boolean')),
  field('made', scalar('Date'), true),
  field('kind', enumOf('Kind', 'TOOL', 'TOY', 'BOOK')),
  field('tags', listOf(scalar('String'))),
  field('sizes', listOf(scalar('Int'))),
  field('maker', maker),
  field('parts', listOf(objectOf('Part', [field('name', scalar('String')), field('weight', scalar('Float'))]))),
  field('extra', scalar('JSON')),
  field('limit', scalar('Int')),
]);

const TITLES = [
  'Anvil',
  'Axe',
  'Box',
  'Boxcar',
  'Saw 100%',
  'Big*Star',
  'a_b',
  'Tea & Jam',
  'x|y',
  'null',
  'string:x',
  'Crêpe',
  '😀 smile',
  '\uff5e wave',
  'Hello, World',
  'Say "hi"',
  '(group)',
  '[1]',
  "O'Hara",
  '',
];

/** Twenty records r01 … r20; the numbers below say which fields are null. */
export const ROWS: readonly Record<string, JsonValue>[] = TITLES.map((title, index) => {
  const n = index + 1;
  return {
    id: `r${String(n).padStart(2, '0')}`,
    title: n === 7 ? null : title,
    price: n % 5 === 0 ? null : n * 1.5,
    stock: n - 10,
    serial: n === 3 ? '9007199254740993' : n === 4 ? '-9223372036854775808' : n,
    active: n === 9 ? null : n % 2 === 0,
    made: new Date(Date.UTC(2025, 0, n, 10, 30)).toISOString(),
    kind: n <= 8 ? 'TOOL' : n <= 16 ? 'TOY' : null,
    tags: n === 1 ? ['red', 'big'] : n === 2 ? ['red'] : n === 3 ? [] : n === 4 ? ['Red', null, 'a*'] : null,
    sizes: n === 1 ? [1, 5] : n === 2 ? [10] : null,
    maker:
      n === 1
        ? {
            name: 'Acme',
            founded: 1900,
            serial: '9007199254740993',
            rate: 59859465769345192,
            open: true,
            since: '2000-01-01T00:00:00.000Z',
            marks: ['x', 'y'],
            sites: [{ city: 'Bern' }, { city: null }],
          }
        : n === 2
          ? { name: null, founded: 2000, serial: 7, rate: 0.5, open: false, since: null, marks: null, sites: null }
          : null,
    parts:
      n === 1
        ? [
            { name: 'bolt', weight: 0.5 },
            { name: null, weight: 2 },
          ]
        : n === 2
          ? []
          : null,
    extra: n === 1 ? { a: 1 } : null,
    limit: n,
  };
});

export function openProducts(): Database.Database {
  const db = new Database(':memory:');
  db.exec(createSql(PRODUCT, 'Product'));
  for (const { name, indexed } of PRODUCT.fields)
    if (indexed) db.exec(`CREATE INDEX "by_${name}" ON "Product" ("${name}")`);
  registerFunctions(db);
  const insert = db.prepare(`INSERT INTO "Product" VALUES (${PRODUCT.fields.map(() => '?').join(', ')})`);
  for (const row of ROWS) insert.run(...PRODUCT.fields.map(({ name, type }) => toCell(type, row[name])));
  return db;
}

/** Names of SQL tables equal to those of the types. */
export const NAMES: SqlNames = {
  records: ({ name }) => `"${name}"`,
  fulltext: ({ name }, field) => ({ words: `"${name}.${field.name}:words"`, docs: `"${name}.${field.name}:docs"` }),
};

export const RESERVED: ReadonlySet<string> = new Set(['stream', 'since', 'token']);

export function parse(query: string): ListQuery {
  return parseListQuery(query, PRODUCT, LIMITS, RESERVED);
}

export function list(query: string): ReturnType<typeof compileListSql> {
  const parsed = parse(query);
  return parsed.aggregate === undefined
    ? compileListSql(parsed, PRODUCT, NAMES)
    : compileAggregateSql(parsed, PRODUCT, NAMES);
}

/** Returns the records that a list's statement selects, in order. */
export function listRecords(db: Database.Database, query: string): { readonly id: string }[] {
  const { sql, params } = list(query);
  return (
    db
      .prepare(sql)
      .pluck()
      .all(...params)
      // One more than the page tells that there is another.
      .slice(0, parse(query).limit)
      .map((json) => JSON.parse(json as string) as { id: string })
  );
}
