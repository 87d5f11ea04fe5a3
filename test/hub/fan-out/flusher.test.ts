import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { turns } from '../../support/engine.ts';
import { HubHarness, type Reader } from '../hub-harness.ts';

describe('a flush', () => {
  test('writes everything in order to each of many sinks', async () => {
    const bench = new HubHarness();
    const readers = Array.from({ length: 500 }, () => bench.subscribe());
    await bench.until(() => readers.every(({ lines }) => lines.length === 1));
    for (let n = 0; n < 60; n++) {
      bench.put(`r${n % 5}`, n);
      if (n % 10 === 0) await turns(1);
    }
    await bench.until(() => readers.every(({ changes }) => changes.length === 60));
    const expected = bench.history.map(({ seq }) => seq);
    expect(readers.every(({ changes }) => changes.every(({ seq }, index) => seq === expected[index]))).toBe(true);
  });

  test('sends what was written in one turn in one write', async () => {
    const bench = new HubHarness();
    const reader = bench.subscribe();
    await bench.until(() => reader.lines.length === 1);
    for (let n = 0; n < 10; n++) bench.put('a', n);
    await bench.until(() => reader.changes.length === 10);
    expect(reader.writes).toHaveLength(2);
  });

  test('runs in slices, with other work in between', async () => {
    const bench = new HubHarness();
    let written = 0;
    const readers = Array.from({ length: 200 }, () => {
      const reader = bench.subscribe();
      return reader;
    });
    await bench.until(() => readers.every(({ lines }) => lines.length === 1));
    for (const reader of readers) {
      reader.onWrite = () => {
        written++;
        // A socket whose write takes a while.
        for (const end = performance.now() + 0.1; performance.now() < end; );
      };
    }
    bench.put('a', 1);
    const seen: number[] = [];
    while (written < readers.length) {
      await turns(1);
      seen.push(written);
    }
    const steps = seen.map((count, index) => count - (seen[index - 1] ?? 0));
    expect(steps.length).toBeGreaterThan(10);
    expect(Math.max(...steps)).toBeLessThan(40);
  });

  test('has longer slices when it has taken long, so that quick writers do not leave readers behind', async () => {
    const bench = new HubHarness();
    const readers = Array.from({ length: 400 }, () => bench.subscribe());
    await bench.until(() => readers.every(({ lines }) => lines.length === 1));
    let written = 0;
    // A clock that moves only with writes: 0.1 ms each.
    vi.spyOn(performance, 'now').mockImplementation(() => written / 10);
    onTestFinished(() => void vi.restoreAllMocks());
    for (const reader of readers) {
      reader.onWrite = () => {
        written++;
      };
    }
    bench.put('a', 1);
    const steps: number[] = [];
    for (let before = 0; written < readers.length; before = written) {
      await turns(1);
      if (written > before) steps.push(written - before);
    }
    const at = (index: number) => steps.slice(0, index).reduce((sum, step) => sum + step, 0);
    const early = steps.filter((_, index) => at(index) < 100);
    const late = steps.filter((_, index) => at(index) > 110 && at(index + 1) < readers.length);
    expect(Math.max(...early)).toBeLessThanOrEqual(7);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...late)).toBeLessThanOrEqual(22);
  });

  test('of a small channel does not wait for that of a large one', async () => {
    const bench = new HubHarness();
    const large = Array.from({ length: 300 }, () => bench.subscribe());
    const small = bench.subscribe({ id: 'a' });
    await bench.until(() => [...large, small].every(({ lines }) => lines.length === 1));
    for (const reader of large) {
      reader.onWrite = () => {
        for (const end = performance.now() + 0.1; performance.now() < end; );
      };
    }
    bench.put('a', 1);
    await bench.until(() => small.changes.length === 1);
    expect(large.filter(({ changes }) => changes.length === 1).length).toBeLessThan(100);
    await bench.until(() => large.every(({ changes }) => changes.length === 1));
  });

  test('includes what is committed while it runs', async () => {
    const bench = new HubHarness();
    const readers = Array.from({ length: 50 }, () => bench.subscribe());
    await bench.until(() => readers.every(({ lines }) => lines.length === 1));
    let more = 3;
    (readers[10] as Reader).onWrite = () => {
      if (more-- > 0) bench.put('more', more);
    };
    bench.put('a', 1);
    await bench.until(() => readers.every(({ changes }) => changes.length === 4));
    const seqs = bench.history.map(({ seq }) => seq);
    for (const { changes } of readers) expect(changes.map(({ seq }) => seq)).toEqual(seqs);
  });

  test('of a long buffer is split into writes of limited size', async () => {
    const bench = new HubHarness({ clientBuffer: 10_000_000 });
    const reader = bench.subscribe();
    await bench.until(() => reader.lines.length === 1);
    const text = 'x'.repeat(30_000);
    for (let n = 0; n < 20; n++) bench.put('a', n, text);
    await bench.until(() => reader.changes.length === 20);
    expect(Math.max(...reader.writes)).toBeLessThanOrEqual(128 * 1024);
    expect(reader.writes.length).toBeGreaterThanOrEqual(5);
  });

  test('leaves out readers that lag, and the others miss nothing', async () => {
    const bench = new HubHarness({ clientBuffer: 100 });
    const readers = Array.from({ length: 9 }, () => bench.subscribe());
    await bench.until(() => readers.every(({ lines }) => lines.length === 1));
    const slow = readers.filter((_, index) => index % 2 === 0);
    for (const reader of slow) reader.reads = false;
    for (let n = 0; n < 10; n++) {
      bench.put('a', n);
      await turns(2);
    }
    expect(slow.map(({ subscription }) => subscription?.state)).toEqual(new Array(5).fill('behind'));
    for (const reader of readers) if (!slow.includes(reader)) expect(reader.changes).toHaveLength(10);
    for (const reader of slow) reader.resume();
    await bench.until(() => slow.every(({ changes }) => changes.length === 10));
    expect(slow.map(({ changes }) => changes)).toEqual(slow.map(() => readers[1]?.changes));
  });
});
