import { RetryLaterError } from '../../connector.ts';
import type { RetryPolicy } from '../flow.ts';

/**
 * Milliseconds to wait before the next time, after `failed` times: at random up to a bound that doubles, so that many who
 * failed at once do not come back at once.
 */
export function waitAfter(failed: number, { delay, maxDelay }: RetryPolicy, random = Math.random): number {
  // Beyond 2^30 the bound is the longest wait in any case.
  const bound = Math.min(maxDelay, delay * 2 ** Math.min(failed - 1, 30));
  return Math.ceil(random() * bound);
}

/** Milliseconds that targets have asked for, as far as the flow waits at all. */
export function askedWait(failures: Iterable<unknown>, { maxDelay }: RetryPolicy): number {
  const asked = [...failures].map((failure) => (failure instanceof RetryLaterError ? failure.delay : 0));
  return Math.min(maxDelay, Math.max(0, ...asked));
}

/** Resolves after this many milliseconds, or at once when one of the signals is aborted; true when the time has passed. */
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
