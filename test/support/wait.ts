import { setTimeout as pause } from 'node:timers/promises';

/**
 * Does work beside a test, which awaits it at its end. A test that fails before then fails alone: a rejection without a
 * handler fails the whole run.
 */
export function meanwhile<T>(work: () => Promise<T>): Promise<T> {
  const working = work();
  working.catch(() => {});
  return working;
}

/** Longest time between two looks: most of what is waited for is there in much less. */
const MAX_INTERVAL_MS = 50;

/** Asks again until the answer fits, soon at first; for state that sends no event, such as a metric. */
export async function until<T>(
  read: () => Promise<T>,
  fits: (value: T) => boolean,
  { timeout = 30_000, what = 'the expected value' }: { timeout?: number; what?: string } = {},
): Promise<T> {
  const end = performance.now() + timeout;
  for (let interval = 5; ; interval = Math.min(2 * interval, MAX_INTERVAL_MS)) {
    const value = await read();
    if (fits(value)) return value;
    if (performance.now() > end) throw new Error(`${what} did not come within ${timeout} ms; last: ${String(value)}`);
    await pause(interval);
  }
}
