const FIRST_PAUSE_MS = 250;
export const MAX_PAUSE_MS = 30_000;
/** Longer first pause after the server was too busy for this client. */
const FIRST_BUSY_PAUSE_MS = 5_000;

/**
 * Returns the milliseconds to wait before the attempt with this number (from 0): exponential from 0.25 s to 30 s, with full
 * jitter, so that clients that were disconnected together do not return together. `minDelay` is the pause that the server
 * requested; `maxDelay` replaces the bound of 30 s, unless the server is busy.
 */
export function delayBefore(attempt: number, { busy = false, minDelay = 0, maxDelay = MAX_PAUSE_MS } = {}): number {
  const bound = Math.min(
    busy ? MAX_PAUSE_MS : maxDelay,
    (busy ? FIRST_BUSY_PAUSE_MS : FIRST_PAUSE_MS) * 2 ** Math.min(attempt, 10),
  );
  const jitter = Math.random();
  // A busy server gets at least half of the pause, and no client returns before `minDelay`.
  return minDelay + (busy ? bound * (0.5 + jitter / 2) : bound * jitter);
}

/** Resolves after this many milliseconds, or rejects with the signal's reason. */
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

/** Returns 128 random bits in hexadecimal. `crypto.randomUUID` is missing in pages over plain HTTP from another host. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
