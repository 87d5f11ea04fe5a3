import { expect, test } from 'vitest';
import { RestartPause } from '../../src/commands/dev/restart-pause.ts';

test('a server that keeps ending soon starts later and later, and at once after it has run for a while', () => {
  let now = 0;
  const pause = new RestartPause(() => now);
  const endAfter = (ms: number) => {
    pause.begin();
    now += ms;
    return pause.next();
  };
  expect([10, 10, 10, 10, 10, 10, 10, 10].map(endAfter)).toEqual([0, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  expect(endAfter(10_000)).toBe(0);
  expect(endAfter(10)).toBe(500);
});
