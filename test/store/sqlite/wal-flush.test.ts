import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WalFlush } from '../../../src/store/sqlite/durable-store.ts';

/** Opens real flushes whose duration, by a mocked clock, the test sets. */
function open(): (milliseconds: number) => Promise<'waited' | 'beside'> {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-flush-'));
  writeFileSync(join(dir, 'data.db-wal'), 'x');
  const flush = new WalFlush(join(dir, 'data.db'));
  let now = 0;
  let step = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
    now += step;
    return now;
  });
  onTestFinished(() => {
    clock.mockRestore();
    flush.close();
    rmSync(dir, { recursive: true });
  });
  return async (milliseconds) => {
    step = milliseconds;
    const running = flush.run();
    if (running === undefined) return 'waited';
    await running;
    return 'beside';
  };
}

async function repeat(times: number, run: () => Promise<string>): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let i = 0; i < times; i++) seen.add(await run());
  return seen;
}

describe('a flush of the write-ahead log', () => {
  test('blocks the event loop where the disk is quick, also when it was slow once', async () => {
    const flush = open();
    expect(await repeat(100, () => flush(0.2))).toEqual(new Set(['waited']));
    await flush(1.5);
    expect(await repeat(100, () => flush(0.2))).toEqual(new Set(['waited']));
  });

  test('runs on another thread where the disk is slow, except for one in 64 that measures it', async () => {
    const flush = open();
    const how: string[] = [];
    for (let i = 0; i < 129; i++) how.push(await flush(2));
    expect(how.flatMap((one, index) => (one === 'waited' ? [index] : []))).toEqual([0, 64, 128]);
  });

  test('blocks again when the disk has become quick, and does not when it has become slow', async () => {
    const flush = open();
    await repeat(10, () => flush(2));
    expect(await repeat(55, () => flush(0.1))).toEqual(new Set(['beside', 'waited']));
    expect(await repeat(100, () => flush(0.1))).toEqual(new Set(['waited']));
    await repeat(2, () => flush(2));
    expect(await repeat(20, () => flush(2))).toEqual(new Set(['beside']));
  });
});
