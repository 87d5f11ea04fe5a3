import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { parseListQuery } from '../../../src/query/index.ts';
import { LIMITS } from '../../query/tables.ts';
import { listJson, type OpenStore, onlyTable, records, StoreFolder } from '../stores.ts';

const SEQ = 1795257373381000;

const column = (name: string, type: string, more: object = {}) => ({
  name,
  type: { kind: 'scalar', name: type },
  required: false,
  indexed: false,
  unique: false,
  hasDefault: false,
  ...more,
});

/** Schema as saved by a version without computed fields, indexes over several fields and full-text indexes. */
const SAVED = {
  version: 1,
  tables: [
    {
      name: 'T',
      database: 'shop',
      table: 'T',
      primaryKey: 'id',
      columns: [
        column('id', 'ID', { required: true }),
        column('room', 'String'),
        column('made', 'Int', { indexed: true }),
        column('text', 'String'),
        column('mail', 'String', { unique: true }),
        column('gone', 'Date'),
      ],
      expiration: null,
      expiresAt: 'gone',
    },
  ],
};

/** Database as that version has written it. */
const CREATED = `
CREATE TABLE tablecast_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE "shop/T" ("id" TEXT NOT NULL PRIMARY KEY, "room" TEXT, "made" INTEGER, "text" TEXT, "mail" TEXT, "gone" TEXT, _seq INTEGER NOT NULL, _expires INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE "shop/T:log" (seq INTEGER PRIMARY KEY, op INTEGER NOT NULL, id TEXT, data TEXT, before TEXT) STRICT;
CREATE INDEX "shop/T.made" ON "shop/T" ("made");
CREATE UNIQUE INDEX "shop/T.mail" ON "shop/T" ("mail");
CREATE INDEX "shop/T:expires" ON "shop/T" (_expires);
INSERT INTO tablecast_meta VALUES ('floor:shop/T', '1795257373377000');
INSERT INTO "shop/T" VALUES ('a', 'r1', 1, 'Crème brûlée', 'a@x', NULL, ${SEQ}, NULL), ('b', 'r2', 2, 'hot dog', NULL, NULL, ${SEQ + 1000}, NULL);
INSERT INTO "shop/T:log" VALUES
  (${SEQ}, 1, 'a', '{"id":"a","room":"r1","made":1,"text":"Crème brûlée","mail":"a@x","gone":null}', NULL),
  (${SEQ + 1}, 1, 'b', '{"id":"b","room":"r1","made":2,"text":"hot dog","mail":null,"gone":null}', NULL),
  (${SEQ + 1000}, 2, 'b', '{"id":"b","room":"r2","made":2,"text":"hot dog","mail":null,"gone":null}', '{"room":"r1"}');
`;

const SAME =
  'type T @table(database: "shop") { id: ID! @primaryKey room: String made: Int @indexed text: String mail: String @unique gone: Date @expiresAt }';
const WITH = `type T @table(database: "shop") @compositeIndex(fields: ["room", "made"], unique: true) {
  id: ID! @primaryKey
  room: String
  made: Int @indexed
  text: String @indexed(type: "fulltext")
  mail: String @unique
  gone: Date @expiresAt
  place: String @computed(from: "upper(room) + '/' + made") @indexed
}`;

function earlier(): StoreFolder {
  const folder = new StoreFolder();
  const db = new Database(folder.file);
  db.pragma('journal_mode = WAL');
  db.exec(CREATED);
  db.prepare("INSERT INTO tablecast_meta VALUES ('schema', ?)").run(JSON.stringify(SAVED));
  db.close();
  return folder;
}

function find(open: OpenStore, query: string): unknown {
  const table = onlyTable(open);
  return JSON.parse(listJson(open, table, parseListQuery(query, table, LIMITS, new Set())));
}

describe('a data directory of an earlier version', () => {
  test('opens with the same schema, and nothing is done', () => {
    const { notices, store } = earlier().open(SAME);
    expect(notices).toEqual([]);
    expect(store.lastSeq).toBe(SEQ + 1000);
  });

  test('sorts its lists, whose rows have no numbers', () => {
    const open = earlier().open(SAME);
    expect(find(open, 'sort=-text&select=id')).toEqual([{ id: 'b' }, { id: 'a' }]);
    expect(find(open, 'sort=text&select=id&limit=1')).toEqual([{ id: 'a' }]);
  });

  test('gets computed fields and indexes of every kind, and keeps its records, positions and log', () => {
    const folder = earlier();
    const open = folder.open(WITH, { largestScan: 0 });
    expect(open.notices).toHaveLength(4);
    expect(records(open)).toMatchObject([
      { id: 'a', text: 'Crème brûlée', place: 'R1/1' },
      { id: 'b', text: 'hot dog', place: 'R2/2' },
    ]);
    expect(find(open, 'text=ft=brulee&select=id')).toEqual([{ id: 'a' }]);
    expect(find(open, 'place=R2/2&select=id')).toEqual([{ id: 'b' }]);
    expect(find(open, 'room=r1&made=1&sort=-made&select=id')).toEqual([{ id: 'a' }]);
    const table = onlyTable(open);
    expect(open.store.readLog(table, SEQ - 1, 10).map(({ seq }) => seq)).toEqual([SEQ, SEQ + 1, SEQ + 1000]);
    expect(open.store.get(table, 'b')?.seq).toBe(SEQ + 1000);
    expect(folder.open(WITH).notices).toEqual([]);
  });
});
