import { existsSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { parseListQuery } from '../../../src/query/index.ts';
import type { Write } from '../../../src/store/rows/write.ts';
import { lockDirectory } from '../../../src/store/sqlite/database/lock.ts';
import { CHECKPOINT_PAGES, openDatabase } from '../../../src/store/sqlite/database/open.ts';
import { DurableStore, openEmbeddedStore, WalFlush } from '../../../src/store/sqlite/durable-store.ts';
import { SqliteStore } from '../../../src/store/sqlite/store.ts';
import { StorageHealth } from '../../../src/store/storage-health.ts';
import { LIMITS } from '../../query/tables.ts';
import { type OpenStore, onlyTable, StoreFolder } from '../stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey n: Int }';
/** SQLite's number for it. */
const FULL = 2;

interface Bench extends OpenStore {
  readonly folder: StoreFolder;
  readonly flushed: DurableStore;
  put(id: string, n: number): Write;
}

/** A store whose flushes all go on beside the event loop, but the first, which has been made. */
async function open(makeFlush = (file: string) => new WalFlush(file, 0)): Promise<Bench> {
  const folder = new StoreFolder();
  const opened = folder.open(SDL);
  const table = onlyTable(opened);
  const flushed = new DurableStore(opened.store, makeFlush(folder.file));
  const put = (id: string, n: number): Write => ({ type: 'put', table, id, cells: [id, n] });
  return { ...opened, folder, flushed, put };
}

/** Flushes of it fail: the device has nothing that could be flushed. */
function makeFailing({ dir }: StoreFolder): WalFlush {
  const file = join(dir, 'device');
  if (!existsSync(`${file}-wal`)) symlinkSync('/dev/null', `${file}-wal`);
  const flush = new WalFlush(file, 0);
  onTestFinished(() => flush.close());
  return flush;
}

describe('a commit that is flushed on another thread', () => {
  test('is invisible before it is on the disk', async () => {
    const bench = await open();
    const { flushed, put } = bench;
    const table = onlyTable(bench);
    const first = flushed.commit([[put('a', 1)]]);
    expect(first).not.toBeInstanceOf(Promise);
    const { lastSeq: head } = flushed;
    const order: string[] = [];
    const committed = Promise.resolve(flushed.commit([[put('a', 2)]])).then((result) => {
      order.push('commit');
      return result;
    });
    // It is committed, and not known.
    expect(bench.store.get(table, 'a')?.json).toBe('{"id":"a","n":2}');
    expect([flushed.lastSeq, flushed.lastTableSeq(table)]).toEqual([head, head]);
    expect([head, bench.store.get(table, 'a')?.seq ?? 0].map((seq) => flushed.wasIssued(seq))).toEqual([true, false]);
    const query = parseListQuery('', table, LIMITS, new Set());
    const reads = [
      flushed.get(table, 'a'),
      flushed.page(table, undefined, 10),
      flushed.list(table, query),
      flushed.records(table, query),
      flushed.readLog(table, head, 10),
    ].map((read) => Promise.resolve(read).finally(() => order.push('read')));
    const { changes } = await committed;
    const seq = changes[0]?.seq;
    expect(seq).toBeGreaterThan(head);
    expect([flushed.lastSeq, flushed.lastTableSeq(table)]).toEqual([seq, seq]);
    const record = { id: 'a', json: '{"id":"a","n":2}', seq };
    expect(await Promise.all(reads)).toEqual([
      record,
      [record],
      { json: '[{"id":"a","n":2}]' },
      [record],
      [expect.objectContaining({ seq, data: '{"id":"a","n":2}' })],
    ]);
    // A writer is answered before subscribers receive the change.
    expect(order).toEqual(['commit', 'read', 'read', 'read', 'read', 'read']);
    expect(flushed.get(table, 'a')).toEqual(record);
  });

  test('lets records be read as they were before it, once a read had to wait', async () => {
    const bench = await open();
    const { flushed, put } = bench;
    const table = onlyTable(bench);
    await flushed.commit([[put('a', 1), put('b', 1)]]);
    const second = flushed.commit([[put('a', 2)]]);
    const waiting = flushed.get(table, 'a');
    expect(waiting).toBeInstanceOf(Promise);
    await second;
    expect(await waiting).toMatchObject({ json: '{"id":"a","n":2}' });

    const third = flushed.commit([[put('a', 3), { type: 'delete', table, id: 'b' }, put('c', 3)]]);
    const { lastSeq: head } = flushed;
    const a = { id: 'a', json: '{"id":"a","n":2}', seq: head };
    const b = { id: 'b', json: '{"id":"b","n":1}', seq: expect.any(Number) };
    const whole = parseListQuery('', table, LIMITS, new Set());
    const total = parseListQuery('aggregate=count,sum(n)', table, LIMITS, new Set());
    expect(flushed.get(table, 'a')).toEqual(a);
    expect(flushed.get(table, 'b')).toEqual(b);
    expect(flushed.get(table, 'c')).toBeUndefined();
    expect(flushed.page(table, undefined, 10)).toEqual([a, b]);
    expect(flushed.list(table, whole)).toEqual({ json: `[${a.json},${b.json}]` });
    expect(flushed.records(table, whole)).toEqual([a, b]);
    expect(flushed.recordsBy(table, { field: table.primaryKey, values: ['a', 'c'], limit: 10 })).toEqual([a]);
    expect(flushed.aggregate(table, total)).toMatchObject({ seq: head, groups: [{ count: 2 }] });
    // The log has the change already, and tells of none that is not on the disk.
    const log = flushed.readLog(table, head, 10);
    expect(log).toBeInstanceOf(Promise);
    await third;
    expect(flushed.get(table, 'a')).toMatchObject({ json: '{"id":"a","n":3}' });
    expect(flushed.get(table, 'b')).toBeUndefined();
    expect(await log).toHaveLength(3);
  });

  test('does not let its readers keep the write-ahead log from being reused', async () => {
    const bench = await open();
    const { flushed, put } = bench;
    const table = onlyTable(bench);
    const text = 'x'.repeat(100_000);
    let read = 0;
    for (let i = 0; i < 150; i++) {
      const commit = flushed.commit([[put(`${i}${text}`, i)]]);
      const found = flushed.get(table, `${i - 1}${text}`);
      if (!(found instanceof Promise)) read++;
      expect(await found).toMatchObject(i === 0 ? {} : { id: `${i - 1}${text}` });
      await commit;
    }
    expect(read).toBeGreaterThan(50);
    expect(statSync(`${bench.folder.file}-wal`).size).toBeLessThan(2 * CHECKPOINT_PAGES * 4096);
  });

  test('is waited for by the next one, and by the end', async () => {
    const bench = await open();
    const { flushed, put } = bench;
    await flushed.commit([[put('a', 1)]]);
    const second = flushed.commit([[put('a', 2)]]);
    const third = flushed.commit([[put('a', 3)]]);
    const { lastSeq: head } = flushed;
    const before = (await second).changes[0]?.seq ?? 0;
    expect(before).toBeGreaterThan(head);
    const closed = flushed.close();
    expect((await third).changes[0]?.seq).toBeGreaterThan(before);
    await closed;
    expect(bench.folder.query('SELECT n FROM "data/T"')).toEqual([{ n: 3 }]);
  });

  test('that changes nothing needs no flush', async () => {
    const { flushed, put } = await open();
    await flushed.commit([[put('a', 1)]]);
    const again = flushed.commit([[put('a', 1)]]);
    expect(again).toMatchObject({ changes: [], results: [[{ changed: false }]] });
  });
});

describe('a disk that does not take what was written', () => {
  test.each([
    ['in place', 0],
    ['beside the event loop', 1],
  ])('ends reading and writing until the next start, when it is waited for %s', async (_, flushesBefore) => {
    const bench = await open();
    const failing = makeFailing(bench.folder);
    for (let i = 0; i < flushesBefore; i++) expect(() => failing.run()).toThrow('EINVAL');
    const failures: string[] = [];
    const health = new StorageHealth({ dir: bench.folder.dir, onFailing: ({ code }) => failures.push(code) });
    onTestFinished(() => health.close());
    const flushed = new DurableStore(bench.store, failing, health);
    const table = onlyTable(bench);
    const { lastSeq: head } = flushed;
    const refused = expect.objectContaining({ code: 'STORAGE_FULL', message: expect.stringContaining('did not take') });
    await expect(flushed.commit([[bench.put('a', 1)]])).rejects.toEqual(refused);
    await expect(flushed.commit([[bench.put('b', 1)]])).rejects.toBeInstanceOf(AppError);
    await expect(flushed.get(table, 'a')).rejects.toEqual(refused);
    await expect(flushed.readLog(table, 0, 10)).rejects.toEqual(refused);
    expect(flushed.lastSeq).toBe(head);
    // The folder has room, which changes nothing.
    await health.look();
    expect([health.failure?.code, failures]).toEqual(['STORAGE_FULL', ['STORAGE_FULL']]);
    await flushed.close();
    expect(bench.folder.query('SELECT id FROM "data/T"')).toEqual([{ id: 'a' }]);
  });
});

test('a store without a write-ahead log flushes its commits itself', () => {
  const folder = new StoreFolder();
  const { plan, options } = folder.open(SDL, { durability: 'full' });
  folder.close();
  const db = openDatabase(folder.file, options);
  db.pragma('journal_mode = DELETE');
  const store = new SqliteStore(db, plan, options, lockDirectory(folder.dir));
  try {
    expect(store.useExternalFlush()).toBe(false);
    expect(db.pragma('synchronous', { simple: true })).toBe(FULL);
  } finally {
    store.close();
  }
});

describe('openEmbeddedStore', () => {
  test.each([
    ['full', DurableStore],
    ['normal', SqliteStore],
  ] as const)('with durability %s', async (durability, kind) => {
    const folder = new StoreFolder();
    const { plan, options } = folder.open(SDL, { durability });
    folder.close();
    const store = openEmbeddedStore(plan, options);
    expect(store).toBeInstanceOf(kind);
    const [table] = plan.tables;
    if (table === undefined) throw new Error('there is no table');
    await store.commit([[{ type: 'put', table, id: 'a', cells: ['a', 1] }]]);
    expect(await store.get(table, 'a')).toMatchObject({ json: '{"id":"a","n":1}' });
    await store.close();
    expect(folder.query('SELECT id FROM "data/T"')).toEqual([{ id: 'a' }]);
  });
});
