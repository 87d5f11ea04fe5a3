import { expect, test } from 'vitest';
import type { AppError } from '../../src/errors.ts';
import { InFlightKeys } from '../../src/resources/idempotency.ts';
import type { SqliteStore } from '../../src/store/sqlite/store.ts';
import type { CommitResult, IdempotentGroup, Write, WriteOutcome } from '../../src/store/store.ts';
import { onlyTable, StoreFolder } from './stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey n: Int @unique }';

test('a key is answered as the first time until its time has passed, and the oldest go when there are too many', () => {
  const folder = new StoreFolder();
  const bench = folder.open(SDL, { idempotency: { retention: 60_000, maxCount: 3, maxSize: 1e6 } });
  const table = onlyTable(bench);
  const once = (key: string, n: number, hash = 'h'): CommitResult => {
    const writes: Write[] = [{ type: 'put', table, id: key, cells: [key, n] }];
    const group: IdempotentGroup = { once: { key, hash }, writes };
    return bench.store.commit([group]);
  };
  const first = once('a', 1);
  const again = once('a', 1);
  expect(first.changes).toHaveLength(1);
  expect(again.changes).toEqual([]);
  const [outcome] = first.results[0] as readonly WriteOutcome[];
  expect(again.results[0]).toEqual([{ ...outcome, replayed: true }]);
  expect(once('a', 1, 'other').results[0]).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
  // Nothing was written, so that the key is still free.
  expect(once('b', 1).results[0]).toMatchObject({ code: 'CONFLICT' });
  expect(once('b', 2).changes).toHaveLength(1);
  for (const n of [3, 4, 5]) once(`k${n}`, n);
  while (bench.store.trim(Date.now(), 1));
  expect(keys(folder)).toEqual(['k3', 'k4', 'k5']);
  const later = folder.open(SDL, { idempotency: { retention: 60_000, maxCount: 3, maxSize: 1e6 } });
  while (later.store.trim(Date.now() + 61_000, 10));
  expect(keys(folder)).toEqual([]);
});

test('the oldest answers go when all together take too many bytes, and no more of them than must', () => {
  const folder = new StoreFolder();
  const sdl = 'type T @table { id: ID! @primaryKey s: String }';
  const idempotency = { retention: 60_000, maxCount: 100, maxSize: 5000 };
  const bench = folder.open(sdl, { idempotency });
  const table = onlyTable(bench);
  const put = (key: string, s: string) => {
    const group: IdempotentGroup = {
      once: { key, hash: 'h' },
      writes: [{ type: 'put', table, id: key, cells: [key, s] }],
    };
    expect(bench.store.commit([group]).changes).toHaveLength(1);
  };
  // A write that cannot be made tells whether the key is known, and leaves it as it is.
  const kept = (store: SqliteStore) =>
    ['a', 'b', 'c', 'd', 'e'].filter((key) => {
      const group: IdempotentGroup = { once: { key, hash: 'x' }, writes: [{ type: 'delete', table, id: 'none' }] };
      return (store.commit([group]).results[0] as AppError).code === 'IDEMPOTENCY_KEY_REUSED';
    });
  // Two bytes each, as it is stored.
  for (const key of ['a', 'b', 'c']) put(key, 'é'.repeat(1000));
  expect(bench.store.trim(Date.now(), 10)).toBe(false);
  expect(kept(bench.store)).toEqual(['b', 'c']);
  put('d', 'x');
  expect(bench.store.trim(Date.now(), 10)).toBe(false);
  expect(kept(bench.store)).toEqual(['b', 'c', 'd']);
  put('e', 'x'.repeat(4800));
  // One at a time, and true as long as there is too much.
  expect([bench.store.trim(Date.now(), 1), bench.store.trim(Date.now(), 1)]).toEqual([true, true]);
  while (bench.store.trim(Date.now(), 1));
  expect(kept(bench.store)).toEqual(['e']);
  // Counted again after a start; one that is larger than all may be goes too.
  const later = folder.open(sdl, { idempotency: { ...idempotency, maxSize: 100 } });
  while (later.store.trim(Date.now(), 10));
  expect(keys(folder)).toEqual([]);
});

function keys(folder: StoreFolder): unknown[] {
  return folder.query('SELECT key FROM tablecast_idempotency ORDER BY id').map(({ key }) => key);
}

test('a key whose request is under way is not begun a second time', async () => {
  const progress = new InFlightKeys();
  let finish = (): void => {};
  const first = progress.run({ key: 'a', hash: 'h' }, () => new Promise<void>((resolve) => (finish = resolve)));
  const second = progress.run({ key: 'a', hash: 'h' }, () => Promise.resolve());
  await expect(second).rejects.toMatchObject({ code: 'IDEMPOTENCY_IN_PROGRESS' });
  finish();
  await first;
  await expect(progress.run({ key: 'a', hash: 'h' }, () => Promise.resolve(1))).resolves.toBe(1);
});
