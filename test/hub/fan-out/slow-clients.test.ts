import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Channel } from '../../../src/hub/channel.ts';
import { ReadScheduler } from '../../../src/hub/fan-out/read-scheduler.ts';
import { SlowClients } from '../../../src/hub/fan-out/slow-clients.ts';
import { EVERYTHING } from '../../../src/hub/selection.ts';
import { Subscription } from '../../../src/hub/subscription.ts';
import { tableOf } from '../../schema/mistakes.ts';
import { LINES, turns } from '../../support/engine.ts';
import { HubHarness, Reader } from '../hub-harness.ts';

const table = tableOf('type T @table { id: ID! @primaryKey }');

function waiting(pending: number): { reader: Reader; subscription: Subscription } {
  const channel = new Channel(table, undefined);
  const reader = new Reader();
  reader.pending = pending;
  return { reader, subscription: new Subscription(channel, channel.group(LINES, EVERYTHING, 0), reader, 0) };
}

describe('a sink that is waited for', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  test('ends its subscription when it accepts nothing before the timeout', async () => {
    const ended: Subscription[] = [];
    const slowClients = new SlowClients<Subscription>(30_000, (subscription) => {
      ended.push(subscription);
      subscription.drained();
    });
    const { subscription } = waiting(100);
    const wait = slowClients.wait(subscription);
    vi.advanceTimersByTime(29_000);
    expect(ended).toEqual([]);
    vi.advanceTimersByTime(1000);
    await wait;
    expect(ended).toEqual([subscription]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('gets a new timeout whenever it accepts bytes', async () => {
    const ended: Subscription[] = [];
    const slowClients = new SlowClients<Subscription>(30_000, (subscription) => ended.push(subscription));
    const { reader, subscription } = waiting(100);
    const wait = slowClients.wait(subscription);
    for (let left = 90; left >= 10; left -= 10) {
      vi.advanceTimersByTime(25_000);
      reader.pending = left;
    }
    vi.advanceTimersByTime(5000);
    expect(ended).toEqual([]);
    subscription.drained();
    await wait;
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is checked with one timer, which runs only while a sink is waited for', async () => {
    const slowClients = new SlowClients<Subscription>(30_000, () => {});
    const [one, two] = [waiting(1), waiting(1)];
    const waits = [slowClients.wait(one.subscription), slowClients.wait(two.subscription)];
    expect(vi.getTimerCount()).toBe(1);
    one.subscription.drained();
    await waits[0];
    expect(vi.getTimerCount()).toBe(1);
    two.subscription.drained();
    await waits[1];
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('the hub ends a subscription whose sink makes no progress, and leaves the others', async () => {
  const bench = new HubHarness({ clientBuffer: 50, slowClientTimeout: 80 });
  const [stuck, fine] = [bench.subscribe(), bench.subscribe()];
  await bench.until(() => stuck.lines.length === 1 && fine.lines.length === 1);
  stuck.reads = false;
  for (let n = 0; n < 3; n++) {
    bench.put('a', n, 'x'.repeat(50));
    await turns(2);
  }
  for (let round = 0; stuck.end === undefined && round < 100; round++) await pause(20);
  expect([stuck.end, fine.end, bench.hub.size]).toEqual(['slow', undefined, 1]);
  const { length } = stuck.lines;
  bench.put('b', 1);
  await bench.until(() => fine.changes.length === 4);
  expect(stuck.lines).toHaveLength(length);
});

describe('reads of the store', () => {
  test('run at once while the slice has time left, and one by one in order after that', async () => {
    const scheduler = new ReadScheduler();
    expect(scheduler.acquire()).toBeUndefined();
    for (const end = performance.now() + 3; performance.now() < end; );
    const order: number[] = [];
    const waits = [1, 2, 3].map((n) => scheduler.acquire()?.then(() => order.push(n)));
    expect(waits.every((wait) => wait !== undefined)).toBe(true);
    const seen: number[] = [];
    while (order.length < 3) {
      await turns(1);
      seen.push(order.length);
      expect(seen.length).toBeLessThan(100);
    }
    expect(order).toEqual([1, 2, 3]);
    // Not all in one turn of the loop.
    expect(seen.filter((count) => count < 3).length).toBeGreaterThanOrEqual(2);
  });

  test('run at once again when the queue is empty', async () => {
    const scheduler = new ReadScheduler();
    scheduler.acquire();
    for (const end = performance.now() + 3; performance.now() < end; );
    await scheduler.acquire();
    await turns(2);
    expect(scheduler.acquire()).toBeUndefined();
  });
});
