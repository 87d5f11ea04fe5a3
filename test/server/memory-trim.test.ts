import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MemoryTrim, startCollection } from '../../src/server/node/memory-trim.ts';

const INTERVAL = 20;

/** Entry of a garbage collection, whose `detail` is missing in @types/node. */
interface GcEntry {
  readonly detail: { readonly kind: number };
}

/** Creates a MemoryTrim whose checks run when the test advances the clock. */
function open() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const state = { connections: 0, collections: 0 };
  const collect = () => {
    state.collections++;
  };
  const trim = new MemoryTrim(() => state.connections, { interval: INTERVAL, burst: 100, collect });
  onTestFinished(() => {
    trim.stop();
    vi.useRealTimers();
  });
  const look = (times = 1) => vi.advanceTimersByTime(times * INTERVAL);
  return { state, look, trim };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let n = 0; n < 200 && !isSo(); n++) await wait(INTERVAL);
  expect(isSo()).toBe(true);
}

describe('memory is freed', () => {
  test('once after a burst of connections, when no new ones are opened', () => {
    const { state, look, trim } = open();
    for (let n = 0; n < 15; n++) {
      state.connections += 10;
      look();
    }
    expect(state.collections).toBe(0);
    look(5);
    expect(state.collections).toBe(1);
    state.connections += 110;
    look(5);
    expect(state.collections).toBe(2);
    trim.stop();
    state.connections += 110;
    look(5);
    expect(state.collections).toBe(2);
  });

  test('not after a few new ones or closed ones, but after a few many times', () => {
    const { state, look } = open();
    state.connections = 99;
    look(5);
    state.connections = 0;
    look(5);
    expect(state.collections).toBe(0);
    state.connections = 1;
    look(5);
    expect(state.collections).toBe(1);
  });

  test('by a collection of the whole heap, without a warning of Node', async () => {
    const warnings: Error[] = [];
    const listener = (warning: Error) => warnings.push(warning);
    process.on('warning', listener);
    const kinds: number[] = [];
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) kinds.push((entry as unknown as GcEntry).detail.kind);
    });
    observer.observe({ entryTypes: ['gc'] });
    onTestFinished(() => {
      process.off('warning', listener);
      observer.disconnect();
    });
    startCollection();
    // NODE_PERFORMANCE_GC_MAJOR.
    await until(() => kinds.includes(4));
    expect(warnings).toEqual([]);
    process.emitWarning('others are still heard');
    await until(() => warnings.length === 1);
  });
});
