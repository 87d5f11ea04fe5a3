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

/**
 * Resolves after this many milliseconds, with `wakes` also when the network or the window is back. Rejects with the signal's
 * reason.
 */
export function pause(ms: number, signal?: AbortSignal, wakes = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      stopListening?.();
      signal?.removeEventListener('abort', end);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    const stopListening = wakes ? onWake(end) : undefined;
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
  });
}

interface PageLike {
  addEventListener?(name: string, listener: () => void): void;
  removeEventListener?(name: string, listener: () => void): void;
  readonly document?: PageLike & { readonly visibilityState: string };
}

/** Calls the listener when the network is back or the window becomes visible. Returns a function that removes it. */
export function onWake(listener: () => void): () => void {
  const page = globalThis as PageLike;
  const wake = () => {
    if (page.document?.visibilityState !== 'hidden') listener();
  };
  page.addEventListener?.('online', wake);
  page.document?.addEventListener?.('visibilitychange', wake);
  return () => {
    page.removeEventListener?.('online', wake);
    page.document?.removeEventListener?.('visibilitychange', wake);
  };
}

/** Returns 128 random bits in hexadecimal. `crypto.randomUUID` is missing in pages over plain HTTP from another host. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
