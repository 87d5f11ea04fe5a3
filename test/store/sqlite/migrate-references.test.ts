import { expect, test } from 'vitest';
import { previewSqliteMigration } from '../../../src/store/sqlite/migrate/preview.ts';
import type { Cell, RecordKey } from '../../../src/store/store.ts';
import { planOf } from '../../schema/mistakes.ts';
import { type OpenStore, StoreFolder } from '../stores.ts';

const BOARD = 'type Board @table { id: ID! @primaryKey }';
const card = (relation: string, key = 'ID') =>
  `type Card @table { id: ID! @primaryKey boardId: ${key} board: Board @relationship(from: "boardId"${relation}) }`;
const LOOSE = `${BOARD} ${card('')}`;
const KEPT = `${BOARD} ${card(', onDelete: CASCADE')}`;

function create({ store, plan }: OpenStore, name: string, ...rows: readonly (readonly Cell[])[]): void {
  const table = plan.tables.find((one) => one.name === name);
  if (table === undefined) throw new Error(`there is no table ${name}`);
  const [result] = store.commit([
    rows.map((cells) => ({ type: 'create', table, id: cells[0] as RecordKey, cells }) as const),
  ]).results;
  if (result instanceof Error) throw result;
}

function stored(sdl = LOOSE): StoreFolder {
  const folder = new StoreFolder();
  const open = folder.open(sdl);
  create(open, 'Board', ['b1'], ['b2']);
  create(open, 'Card', ['c1', 'b1'], ['c2', null]);
  return folder;
}

test('keys of no record are counted with examples, and the start is refused', () => {
  const folder = stored();
  create(folder.open(LOOSE), 'Card', ['c3', 'x1'], ['c4', 'x2'], ['c5', 'x3'], ['c6', 'x4'.repeat(30)]);
  const before = folder.contents();
  expect(() => folder.open(KEPT)).toThrow(
    'check the keys in data.Card.boardId: possible only while each is that of a record of data.Board\n' +
      '    NOT POSSIBLE: 4 records have a key of no record of Board ("c3": "x1", "c4": "x2", "c5": "x3", …)\n' +
      '    Change these records first, set the key to null, or leave out onDelete.',
  );
  expect(folder.contents()).toEqual(before);
  const preview = previewSqliteMigration(planOf(KEPT), { dir: folder.dir, allowed: true });
  expect(preview).toMatchObject({
    impossible: true,
    steps: [{ type: 'create-index' }, { type: 'check-reference', effect: 'impossible', records: 4 }],
  });
});

test('whole references get an index, are not checked again, and may be loosened and kept anew', () => {
  const folder = stored();
  const { notices } = folder.open(KEPT);
  expect(notices).toEqual([
    'create an index of data.Card.boardId',
    'check the keys in data.Card.boardId: possible only while each is that of a record of data.Board',
  ]);
  const indexes = () =>
    folder.query("SELECT sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'data/%'").map(({ sql }) => sql);
  expect(indexes()).toEqual(['CREATE INDEX "data/Card.boardId" ON "data/Card" ("boardId", "id")']);
  expect(folder.open(KEPT).notices).toEqual([]);
  expect(folder.open(`${BOARD} ${card(', onDelete: SET_NULL')}`).notices).toEqual([]);
  expect(folder.open(LOOSE).notices).toEqual(['drop the index of data.Card.boardId']);
  create(folder.open(LOOSE), 'Card', ['c3', 'x1']);
  expect(() => folder.open(KEPT)).toThrow('1 record has a key of no record of Board ("c3": "x1")');
});

test('what was not served meanwhile is checked again', () => {
  const folder = stored(KEPT);
  const { store, plan } = folder.open(BOARD);
  const [table] = plan.tables;
  store.commit([[{ type: 'delete', table: table as never, id: 'b1' }]]);
  expect(() => folder.open(KEPT)).toThrow('1 record has a key of no record of Board ("c1": "b1")');
});

test('a table that is new has no records with the keys of others', () => {
  const folder = new StoreFolder();
  create(folder.open(card('').replace(/board: .*\)/, '')), 'Card', ['c1', 'b1'], ['c2', null]);
  expect(() => folder.open(KEPT)).toThrow('1 record has a key of no record of Board ("c1": "b1")');
});

test('keys are compared as they will be after a change of types', () => {
  const folder = new StoreFolder();
  const int = `type Board @table { id: Int! @primaryKey } ${card('', 'String').replace(/board: .*\)/, '')}`;
  const open = folder.open(int);
  create(open, 'Board', [7]);
  create(open, 'Card', ['c1', '7'], ['c2', '8']);
  const next = `type Board @table { id: Int! @primaryKey } ${card(', onDelete: RESTRICT', 'Int')}`;
  expect(() => folder.open(next)).toThrow('1 record has a key of no record of Board ("c2": 8)');
});

test('a field that gets a default has to have the key of a record there', () => {
  const folder = new StoreFolder();
  create(folder.open(`${BOARD} type Card @table { id: ID! @primaryKey }`), 'Card', ['c1']);
  const withDefault = KEPT.replace('boardId: ID ', 'boardId: ID @default(value: "inbox") ');
  expect(() => folder.open(withDefault)).toThrow('1 record has a key of no record of Board ("c1": "inbox")');
  const open = folder.open(`${BOARD} type Card @table { id: ID! @primaryKey }`);
  create(open, 'Board', ['inbox']);
  expect(folder.open(withDefault).notices).toContain(
    'check the keys in data.Card.boardId: possible only while each is that of a record of data.Board',
  );
});
