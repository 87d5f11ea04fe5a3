import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { insert, onlyTable, StoreFolder } from '../stores.ts';

const SCHEMA = 'type T @table { id: ID! @primaryKey n: Int }';
/** Options without a cache, so that no record is read from memory. */
const FROM_DISK = { recordCache: 0 };

describe('the reads of one turn of the event loop', () => {
  test('see what is written between them', () => {
    const open = new StoreFolder().open(SCHEMA, FROM_DISK);
    const table = onlyTable(open);
    const jsons: (string | undefined)[] = [];
    for (let i = 0; i < 5; i++) {
      jsons.push(open.store.get(table, `t${i}`)?.json, open.store.get(table, `t${i}`)?.json);
      insert(open, [`t${i}`, i]);
      jsons.push(open.store.get(table, `t${i}`)?.json, open.store.get(table, `t${i}`)?.json);
    }
    const written = Array.from({ length: 5 }, (_, i) => {
      const json = JSON.stringify({ id: `t${i}`, n: i });
      return [undefined, undefined, json, json];
    });
    expect(jsons).toEqual(written.flat());
  });

  test('are over with it: the log of writes can be taken up whole', async () => {
    const folder = new StoreFolder();
    const open = folder.open(SCHEMA, FROM_DISK);
    const table = onlyTable(open);
    insert(open, ['a', 1]);
    for (let i = 0; i < 3; i++) expect(open.store.get(table, 'a')?.id).toBe('a');
    const other = new Database(folder.file);
    try {
      insertElsewhere(other);
      // Still the same transaction.
      expect(open.store.page(table, undefined, 10).map(({ id }) => id)).toEqual(['a']);
      await nextTurn();
      expect(open.store.page(table, undefined, 10).map(({ id }) => id)).toEqual(['a', 'b']);
      await nextTurn();
      expect(other.pragma('wal_checkpoint(TRUNCATE)')).toEqual([{ busy: 0, log: 0, checkpointed: 0 }]);
    } finally {
      other.close();
    }
  });

  test('are over when the store is closed, or trims its log', () => {
    const folder = new StoreFolder();
    const open = folder.open(SCHEMA, FROM_DISK);
    const table = onlyTable(open);
    insert(open, ['a', 1]);
    for (let i = 0; i < 2; i++) open.store.get(table, 'a');
    expect(open.store.trim(Date.now() + 10 * 365 * 86_400_000, 100)).toBe(false);
    for (let i = 0; i < 2; i++) open.store.get(table, 'a');
    folder.close();
    const again = folder.open(SCHEMA, FROM_DISK);
    expect(again.store.get(onlyTable(again), 'a')?.id).toBe('a');
  });
});

function insertElsewhere(db: Database.Database): void {
  const table = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%/T'").pluck().get();
  db.prepare(`INSERT INTO "${table}" (id, n, _seq) VALUES ('b', 2, 1)`).run();
}
