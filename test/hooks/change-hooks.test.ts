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
    context: { tables: {} as never, system: {} as never },
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

test('the hook is called for one change after the other, and changes that are gone from the log are reported', async () => {
  const called: string[] = [];
  let release = () => {};
  const { store, errors, write } = open(async ({ id }) => {
    called.push(id);
    if (id === 'a') await new Promise<void>((done) => (release = done));
  });
  await write('a');
  await vi.waitFor(() => expect(called).toEqual(['a']));
  for (const id of ['b', 'c', 'd', 'e', 'f']) await write(id);
  while (await store.trim(Date.now(), 100));
  expect(called).toEqual(['a']);
  release();
  await vi.waitFor(() => expect(called.at(-1)).toBe('f'));
  expect(called).toEqual(['a', 'd', 'e', 'f']);
  expect(errors).toEqual([expect.stringMatching(/hook afterChange of T: changes up to \d+ were gone from the log/)]);
});

test('the hook is not called for later changes when it stops', async () => {
  const called: string[] = [];
  let release = () => {};
  const { hooks, write } = open(async ({ id }) => {
    called.push(id);
    await new Promise<void>((done) => (release = done));
  });
  await write('a');
  await vi.waitFor(() => expect(called).toEqual(['a']));
  await write('b');
  const stopped = hooks.stop();
  release();
  await stopped;
  await write('c');
  expect(called).toEqual(['a']);
});
