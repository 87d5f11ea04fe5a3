import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { LoopWatch } from '../../src/server/limits/loop-watch.ts';
import { until } from '../support/wait.ts';

/** Blocks the event loop for that time, as a query would, then lets only the timers run. */
async function block(milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
  await nextTurn();
}

test('a process is behind when its timer is late twice in a row, until it is on time', async () => {
  const watch = new LoopWatch(200, 100);
  onTestFinished(() => watch.stop());
  await nextTurn();
  const seen = [watch.isBehind];
  for (let turn = 0; turn < 3; turn++) {
    await block(500);
    seen.push(watch.isBehind);
  }
  expect([seen[0], seen[1], seen[3]]).toEqual([false, false, true]);
  const read = async () => watch.isBehind;
  await until(read, (behind) => !behind, { what: 'a timer on time' });
});
