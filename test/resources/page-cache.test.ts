import { describe, expect, test } from 'vitest';
import { type ListQuery, parseListQuery } from '../../src/query/index.ts';
import { PageCache } from '../../src/resources/read-caches.ts';
import { LIMITS } from '../query/tables.ts';
import { planOf } from '../schema/mistakes.ts';

const [TABLE] = planOf('type T @table { id: ID! @primaryKey n: Int }').tables;

function query(limit: number): ListQuery {
  if (TABLE === undefined) throw new Error('no table');
  return parseListQuery(`limit=${limit}`, TABLE, LIMITS, new Set());
}

const page = (size: number) => ({ json: 'x'.repeat(size) });

/** Reads a query as a table does; true when the page came from the cache. */
function read(cache: PageCache, wanted: ListQuery, version: number, size = 100): boolean {
  if (cache.find(wanted, version) !== undefined) return true;
  cache.add(wanted, version, page(size));
  return false;
}

describe('the cached pages', () => {
  test('were read twice at one version, and are returned for no other one', () => {
    const cache = new PageCache(100_000);
    const wanted = query(1);
    expect([1, 1, 1, 1].map((version) => read(cache, wanted, version))).toEqual([false, false, true, true]);
    expect([2, 3, 4, 4, 4, 3].map((version) => read(cache, wanted, version))).toEqual([
      false,
      false,
      false,
      false,
      true,
      false,
    ]);
    expect(read(cache, query(1), 3), 'another query').toBe(false);
  });

  test('are the same object that was read, with its cursor and total', () => {
    const cache = new PageCache(100_000);
    const [wanted, read] = [query(1), { json: '[]', next: 'n', total: 3 }];
    for (let n = 0; n < 2; n++) cache.add(wanted, 7, read);
    expect(cache.find(wanted, 7)).toBe(read);
  });

  test('stay within the limit of memory, and those that are used stay', () => {
    const cache = new PageCache(100_000);
    const [used, ...others] = Array.from({ length: 60 }, (_, n) => query(n + 1)) as [ListQuery, ...ListQuery[]];
    for (let n = 0; n < 2; n++) read(cache, used, 1, 2000);
    for (const other of others) {
      for (let n = 0; n < 2; n++) read(cache, other, 1, 2000);
      expect(cache.find(used, 1)).toBeDefined();
      expect(cache.bytes).toBeLessThanOrEqual(100_000);
    }
    const kept = others.filter((other) => cache.find(other, 1) !== undefined);
    expect(kept.length).toBeGreaterThan(10);
    expect(kept).toEqual(others.slice(-kept.length));
    expect(cache.bytes).toBeGreaterThan(50_000);
  });

  test('exclude pages that are too large, and all where the cache is off', () => {
    const cache = new PageCache(100_000);
    const off = new PageCache(0);
    const wanted = query(1);
    expect([1, 1, 1].map((version) => read(cache, wanted, version, 10_000))).toEqual([false, false, false]);
    expect([1, 1, 1].map((version) => read(off, wanted, version, 1))).toEqual([false, false, false]);
    expect(off.bytes).toBe(0);
  });
});
