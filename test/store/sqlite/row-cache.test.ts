import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { Write } from '../../../src/store/rows/write.ts';
import { RowCachePool } from '../../../src/store/sqlite/records/row-cache.ts';
import type { RecordKey } from '../../../src/store/store.ts';
import { type OpenStore, onlyTable, StoreFolder } from '../stores.ts';

const ROW = ['a', 1, 5];

describe('the memory for rows', () => {
  test('keeps rows that were used last, and drops the others', () => {
    const rows = new RowCachePool(100_000).open();
    for (let n = 0; n < 1000; n++) {
      rows.set(`r${n}`, [`r${n}`, n]);
      expect(rows.get('r0'), `after ${n}`).toEqual(['r0', 0]);
    }
    expect(rows.get('r999')).toEqual(['r999', 999]);
    expect(rows.get('r1')).toBeUndefined();
    const kept = Array.from({ length: 1000 }, (_, n) => rows.get(`r${n}`)).filter((row) => row !== undefined);
    expect(kept.length).toBeGreaterThan(100);
    expect(kept.length).toBeLessThan(400);
  });

  test('is shared by tables, which have rows of their own', () => {
    const memory = new RowCachePool(100_000);
    const [a, b] = [memory.open(), memory.open()];
    a.set('x', ROW);
    expect([a.get('x'), b.get('x')]).toEqual([ROW, undefined]);
    for (let n = 0; n < 1000; n++) b.set(n, [n]);
    expect(a.get('x')).toBeUndefined();
  });

  test('forgets what was deleted, also what has not been used for long', () => {
    const rows = new RowCachePool(100_000).open();
    const keys: RecordKey[] = ['a', 'b', 'c'];
    for (const key of keys) rows.set(key, ROW);
    rows.rotate();
    rows.set('a', ROW);
    for (const key of ['a', 'b']) rows.delete(key);
    expect(keys.map((key) => rows.get(key))).toEqual([undefined, undefined, ROW]);
  });

  test('keeps no row that is too large, and removes an earlier one of the same record', () => {
    const rows = new RowCachePool(100_000).open();
    rows.set('a', ROW);
    rows.set('a', ['x'.repeat(1000)]);
    expect(rows.get('a')).toBeUndefined();
    const none = new RowCachePool(0).open();
    none.set('a', ROW);
    expect(none.get('a')).toBeUndefined();
  });
});

describe('records from memory', () => {
  const SDL = 'type T @table { id: ID! @primaryKey n: Int name: String @unique }';

  interface Bench extends OpenStore {
    put(id: string, n: number, name?: string | null, guard?: () => void): Write;
    /** Reads a record, and checks that the table has the same. */
    read(id: string): string | undefined;
  }

  function open(): Bench {
    const opened = new StoreFolder().open(SDL);
    const table = onlyTable(opened);
    const { store } = opened;
    const put: Bench['put'] = (id, n, name = null, guard = () => {}) => {
      return { type: 'put', table, id, cells: [id, n, name], guard };
    };
    const read = (id: string) => {
      const record = store.get(table, id);
      expect(store.page(table, undefined, 100).find((stored) => stored.id === id)).toEqual(record);
      return record?.json;
    };
    store.commit([[put('a', 1)], [put('b', 1, 'taken')]]);
    store.commit([[put('a', 2)]]);
    expect(read('a')).toBe('{"id":"a","n":2,"name":null}');
    return { ...opened, put, read };
  }

  const wrong = () => {
    throw new AppError('FORBIDDEN', 'no');
  };

  test('are those before a group that was refused', () => {
    const { store, put, read } = open();
    const refused = store.commit([[put('a', 3), put('c', 1), put('a', 4, null, wrong)], [put('a', 5, 'taken')]]);
    expect(refused.results).toEqual([expect.any(AppError), expect.any(AppError)]);
    expect([read('a'), read('c')]).toEqual(['{"id":"a","n":2,"name":null}', undefined]);
  });

  test('are those before a commit that failed', () => {
    const { store, put, read } = open();
    const bug = () => {
      throw new TypeError('a bug');
    };
    expect(() => store.commit([[put('a', 3)], [put('b', 2, 'free')], [put('b', 3, null, bug)]])).toThrow('a bug');
    expect([read('a'), read('b')]).toEqual(['{"id":"a","n":2,"name":null}', '{"id":"b","n":1,"name":"taken"}']);
  });

  test('are gone with the record, and those of one that comes again', () => {
    const bench = open();
    const { store, put, read } = bench;
    store.commit([[{ type: 'delete', table: onlyTable(bench), id: 'a' }]]);
    expect(read('a')).toBeUndefined();
    store.commit([[put('a', 7)]]);
    expect(read('a')).toBe('{"id":"a","n":7,"name":null}');
    store.commit([[put('a', 8)], [{ type: 'delete', table: onlyTable(bench), id: 'a' }], [put('a', 9)]]);
    expect(read('a')).toBe('{"id":"a","n":9,"name":null}');
  });
});
