import { describe, expect, test } from 'vitest';
import { FlushTimer } from '../../src/store/sqlite/durable-store.ts';

/** Runs flushes of these durations; returns the index of each one that blocked the event loop. */
function blocking(durations: readonly number[], maxBlockingMs?: number): number[] {
  const timer = new FlushTimer(maxBlockingMs);
  return durations.flatMap((milliseconds, index) => {
    if (!timer.shouldBlock()) return [];
    timer.measured(milliseconds);
    return [index];
  });
}

const repeat = (milliseconds: number, times: number): number[] => new Array<number>(times).fill(milliseconds);
const indexes = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

describe('a flush blocks the event loop', () => {
  test.each([
    ['always on a quick disk', repeat(0.2, 100), indexes(0, 100)],
    ['once in 64 on a slow disk, to measure it', repeat(2, 129), [0, 64, 128]],
    ['at exactly the maximum only once in 64', repeat(0.4, 65), [0, 64]],
    ['also after one flush of 1.5 ms on a quick disk', [...repeat(0.2, 10), 1.5, ...repeat(0.2, 10)], indexes(0, 21)],
    ['until a flush takes 2 ms on a disk that has become slow', [...repeat(0.2, 10), ...repeat(2, 10)], indexes(0, 11)],
    [
      'from the next measurement on when the disk has become quick',
      [...repeat(2, 10), ...repeat(0.1, 60)],
      [0, ...indexes(64, 70)],
    ],
  ])('%s', (_title, durations, expected) => {
    expect(blocking(durations)).toEqual(expected);
  });

  test('only for measurements when the maximum is 0', () => {
    expect(blocking(repeat(0.1, 65), 0)).toEqual([0, 64]);
  });
});
