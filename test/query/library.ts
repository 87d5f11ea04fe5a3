import Database from 'better-sqlite3';
import { formatCursor, type ListQuery, parseListQuery, totalOrder } from '../../src/query/index.ts';
import type { FieldPlan, RelationPlan, TablePlan } from '../../src/schema/plan.ts';
import { registerFunctions } from '../../src/store/sqlite/database/open.ts';
import { compileListSql } from '../../src/store/sqlite/sql/index.ts';
import { compilePositionSql } from '../../src/store/sqlite/sql/list.ts';
import { NAMES } from './products.ts';
import { createSql, field, LIMITS, listOf, scalar, table, toCell } from './tables.ts';

type Relations = RelationPlan[];
type Row = Record<string, string | number | boolean | null | readonly string[]>;

const TEXT = scalar('String');
const ID = scalar('ID');

/** Authors have books, a book has an author and tags, and an author may have a mentor. */
export const AUTHOR = table('Author', [field('id', ID), field('name', TEXT, true), field('mentorId', ID)]);
export const BOOK = table('Book', [
  field('id', ID),
  field('title', TEXT),
  field('authorId', ID, true),
  field('tagIds', listOf(ID)),
  field('price', scalar('Float')),
]);
export const TAG = table('Tag', [field('id', ID), field('label', TEXT), { ...field('secret', TEXT), hidden: true }]);

function relate(from: TablePlan, relation: Omit<RelationPlan, 'at'>): void {
  (from.relations as Relations).push({ ...relation, at: from.at });
}

const named = ({ fields }: TablePlan, name: string) => fields.find((it) => it.name === name) as FieldPlan;
relate(AUTHOR, { name: 'mentor', target: AUTHOR, many: false, from: named(AUTHOR, 'mentorId') });
relate(AUTHOR, { name: 'books', target: BOOK, many: true, to: named(BOOK, 'authorId') });
relate(BOOK, { name: 'author', target: AUTHOR, many: false, from: named(BOOK, 'authorId') });
relate(BOOK, { name: 'tags', target: TAG, many: true, from: named(BOOK, 'tagIds') });
relate(TAG, { name: 'books', target: BOOK, many: true, to: named(BOOK, 'tagIds') });

const ROWS: readonly [TablePlan, readonly Row[]][] = [
  [
    AUTHOR,
    [
      { id: 'ada', name: 'Ada', mentorId: 'mary' },
      { id: 'bob', name: 'Bob', mentorId: null },
      { id: 'mary', name: 'Mary', mentorId: null },
    ],
  ],
  [
    BOOK,
    [
      { id: '1', title: 'Engines', authorId: 'ada', tagIds: ['x', 'y'], price: 5 },
      { id: '2', title: 'Notes', authorId: 'ada', tagIds: ['y', 'gone'], price: 0.1 },
      { id: '3', title: 'Boats', authorId: 'bob', tagIds: [], price: null },
      { id: '4', title: 'Lost', authorId: 'gone', tagIds: null, price: 1e21 },
      { id: '5', title: 'Loose', authorId: null, tagIds: null, price: 2.5 },
    ],
  ],
  [
    TAG,
    [
      { id: 'x', label: 'Exact', secret: 's' },
      { id: 'y', label: 'Why', secret: 's' },
    ],
  ],
];

export function openLibrary(): Database.Database {
  const db = new Database(':memory:');
  registerFunctions(db);
  for (const [plan, rows] of ROWS) {
    db.exec(createSql(plan, plan.name));
    for (const { name, indexed } of plan.fields) {
      if (indexed) db.exec(`CREATE INDEX "${plan.name}_${name}" ON "${plan.name}" ("${name}")`);
    }
    const insert = db.prepare(`INSERT INTO "${plan.name}" VALUES (${plan.fields.map(() => '?').join(', ')})`);
    for (const row of rows) insert.run(...plan.fields.map(({ name, type }) => toCell(type, row[name] as never)));
  }
  return db;
}

export function query(plan: TablePlan, text: string): ListQuery {
  return parseListQuery(text, plan, LIMITS, new Set());
}

export function list(db: Database.Database, plan: TablePlan, text: string): Record<string, unknown>[] {
  const parsed = query(plan, text);
  const { sql, params } = compileListSql(parsed, plan, NAMES);
  const rows = db
    .prepare(sql)
    .pluck()
    .all(...params) as string[];
  return rows.slice(0, parsed.limit).map((json) => JSON.parse(json) as Record<string, unknown>);
}

/** Returns the cursor of a page that ends with the record. */
export function cursorAt(db: Database.Database, plan: TablePlan, { text, id }: { text: string; id: string }): string {
  const parsed = query(plan, text);
  const position = db
    .prepare(compilePositionSql(parsed, plan, NAMES))
    .raw()
    .safeIntegers()
    .get(id);
  return formatCursor(totalOrder(parsed.sort, plan), position as never);
}
