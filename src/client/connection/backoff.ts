const FIRST = 250;
export const LONGEST = 30_000;
/** Where the server is too busy for this client, it does not come back at once. */
const FIRST_WHEN_BUSY = 5_000;

/**
 * Milliseconds to wait before the attempt with this number (from 0): exponential from 0.25 s to 30 s, with full jitter,
 * so that clients that were cut off together do not come back together. `least`: what the server asked for. `longest`:
 * another bound than 30 s, unless the server is busy.
 */
export function delayBefore(attempt: number, { busy = false, least = 0, longest = LONGEST } = {}): number {
  const most = Math.min(busy ? LONGEST : longest, (busy ? FIRST_WHEN_BUSY : FIRST) * 2 ** Math.min(attempt, 10));
  const jitter = Math.random();
  // The half is certain for who is told to go away, and nobody comes before he was asked to.
  return least + (busy ? most * (0.5 + jitter / 2) : most * jitter);
}

/** Resolves after that many milliseconds, or rejects with the signal's reason. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** 128 random bits in hexadecimal. `crypto.randomUUID` is not there on plain HTTP from another machine. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
