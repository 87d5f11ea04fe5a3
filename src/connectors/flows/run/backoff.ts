import { RetryLaterError } from '../../connector.ts';
import type { RetryPolicy } from '../flow.ts';

/**
 * Milliseconds before the next attempt, after `failed` attempts: random up to a bound that doubles, so that events that
 * failed together are not retried together.
 */
export function waitAfter(failed: number, { delay, maxDelay }: RetryPolicy, random = Math.random): number {
  // Beyond 2^30 the bound is `maxDelay` in any case.
  const bound = Math.min(maxDelay, delay * 2 ** Math.min(failed - 1, 30));
  return Math.ceil(random() * bound);
}

/** Longest delay in milliseconds that targets have requested, up to `maxDelay` of the flow. */
export function requestedDelay(failures: Iterable<unknown>, { maxDelay }: RetryPolicy): number {
  const delays = [...failures].map((failure) => (failure instanceof RetryLaterError ? failure.delay : 0));
  return Math.min(maxDelay, Math.max(0, ...delays));
}

/** Resolves with true after this many milliseconds, or with false as soon as one of the signals is aborted. */
export function sleep(milliseconds: number, signals: readonly AbortSignal[]): Promise<boolean> {
  if (signals.some(({ aborted }) => aborted)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (passed: boolean) => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
      resolve(passed);
    };
    const onAbort = () => end(false);
    const timer = setTimeout(() => end(true), milliseconds);
    for (const signal of signals) signal.addEventListener('abort', onAbort);
  });
}
