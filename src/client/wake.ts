import { pause } from './connection/backoff.ts';

interface Page {
  addEventListener?(name: string, listener: () => void): void;
  removeEventListener?(name: string, listener: () => void): void;
  readonly document?: Page & { readonly visibilityState: string };
}

/** Calls the listener when the network is back or the window is seen again. What it returns ends that. */
export function onWake(listener: () => void): () => void {
  const page = globalThis as Page;
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

/** A pause that ends early when the network or the window is back. Rejects with the signal's reason. */
export async function pauseUntilWake(ms: number, signal?: AbortSignal): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const forget = onWake(stop);
  signal?.addEventListener('abort', stop);
  try {
    if (signal?.aborted) stop();
    await pause(ms, controller.signal).catch(() => {});
  } finally {
    forget();
    signal?.removeEventListener('abort', stop);
  }
  if (signal?.aborted) throw signal.reason;
}
