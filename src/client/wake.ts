import { pause } from './connection/backoff.ts';

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

/** Waits this many milliseconds, or until the network or the window is back. Rejects with the signal's reason. */
export async function pauseUntilWake(ms: number, signal?: AbortSignal): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const stopListening = onWake(stop);
  signal?.addEventListener('abort', stop);
  try {
    if (signal?.aborted) stop();
    await pause(ms, controller.signal).catch(() => {});
  } finally {
    stopListening();
    signal?.removeEventListener('abort', stop);
  }
  if (signal?.aborted) throw signal.reason;
}
