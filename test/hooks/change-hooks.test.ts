import { expect, test, vi } from 'vitest';
import { ChangeHooks } from '../../src/hooks/change-hooks.ts';
import type { Store } from '../../src/store/store.ts';
import { onlyTable, StoreFolder } from '../store/stores.ts';

const SDL = 'type T @table @export { id: ID! @primaryKey }';

function open(call: (event: { id: string }) => unknown) {
  const opened = new StoreFolder().open(SDL, { events: { retention: 86_400_000, maxCount: 3, replayPage: 10 } });
  const table = onlyTable(opened);
  const errors: string[] = [];
  const hooks = new ChangeHooks({
    table,
    hooks: [{ name: 'h', call: call as (event: object) => unknown }],
    context: { tables: {} },
    log: opened.store,
    timeout: 5000,
    onError: (error) => errors.push(String(error)),
  });
  const store: Store = opened.store;
  const write = async (id: string) => {
    await store.commit([[{ type: 'create', table, id, cells: [id] }]]);
    hooks.wake();
  };
  return { hooks, store, errors, write };
}

test('changes are told one after the other, and those that are gone from the log are told as missing', async () => {
  const told: string[] = [];
  let release = () => {};
  const { store, errors, write } = open(async ({ id }) => {
    told.push(id);
    if (id === 'a') await new Promise<void>((done) => (release = done));
  });
  await write('a');
  await vi.waitFor(() => expect(told).toEqual(['a']));
  for (const id of ['b', 'c', 'd', 'e', 'f']) await write(id);
  while (await store.trim(Date.now(), 100));
  expect(told).toEqual(['a']);
  release();
  await vi.waitFor(() => expect(told.at(-1)).toBe('f'));
  expect(told).toEqual(['a', 'd', 'e', 'f']);
  expect(errors).toEqual([expect.stringMatching(/hook afterChange of T: changes up to \d+ were gone from the log/)]);
});

test('what was not told when it stops is not told any more', async () => {
  const told: string[] = [];
  let release = () => {};
  const { hooks, write } = open(async ({ id }) => {
    told.push(id);
    await new Promise<void>((done) => (release = done));
  });
  await write('a');
  await vi.waitFor(() => expect(told).toEqual(['a']));
  await write('b');
  const stopped = hooks.stop();
  release();
  await stopped;
  await write('c');
  expect(told).toEqual(['a']);
});
