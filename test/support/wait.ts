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

/** Asks again every 50 ms until the answer fits; for state that sends no event, such as a metric. */
export async function until<T>(
  read: () => Promise<T>,
  fits: (value: T) => boolean,
  { timeout = 30_000, what = 'the expected value' }: { timeout?: number; what?: string } = {},
): Promise<T> {
  const end = performance.now() + timeout;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (performance.now() > end) throw new Error(`${what} did not come within ${timeout} ms; last: ${String(value)}`);
    await pause(50);
  }
}
