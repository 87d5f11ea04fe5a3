import { afterEach, expect, test, vi } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { Retention } from '../../src/resources/retention.ts';
import { PropertyHarness } from '../property/harness.ts';
import { turns } from '../support/engine.ts';

afterEach(() => vi.useRealTimers());

const SDL = 'type Item @table(expiration: 60) @export { id: ID! @primaryKey n: Int }';

test('a clock that goes back: seqs go on, records expire by the clock, and removing them ends', async () => {
  const now = Date.now();
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now });
  using rig = new PropertyHarness({ sdl: SDL });
  const item = rig.resource('Item');
  const before = (await item.put(SERVER, 'first', { n: 1 })).seq;
  // An hour back: the seqs are ahead of the clock now.
  vi.setSystemTime(now - 3_600_000);
  const records = Array.from({ length: 900 }, (_, n) => ({ id: `k${n}`, n }));
  const outcomes = await item.createMany(SERVER, records);
  expect(outcomes[0]?.seq).toBeGreaterThan(before);
  const { plan, store, commits } = rig;
  const housekeeping = new Retention({ plan, store, commits, onError: (error) => rig.faults.push(error) });
  vi.setSystemTime(now - 3_600_000 + 61_000);
  vi.advanceTimersByTime(1000);
  await turns(50);
  await housekeeping.stop();
  expect(rig.faults).toEqual([]);
  expect(store.page(rig.table('Item'), undefined, 1000).map(({ id }) => id)).toEqual(['first']);
});
