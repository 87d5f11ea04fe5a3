import { expect, test, vi } from 'vitest';
import { collectAlone } from '../../src/commands/start.ts';

test('collects without the help of threads where there is one core only', () => {
  const setFlags = vi.fn();
  collectAlone(2, setFlags);
  expect(setFlags).not.toHaveBeenCalled();
  collectAlone(1, setFlags);
  expect(setFlags).toHaveBeenCalledExactlyOnceWith('--no-parallel-scavenge');
});
