import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { ask, type TablecastError } from './http.ts';

/** What an address answers, read again and again. */
export interface Polled<T> {
  /** Undefined until it was read for the first time. */
  readonly data: Signal<T | undefined>;
  readonly error: Signal<TablecastError | undefined>;
  /** Reads it now. */
  refresh(): void;
}

/** Reads an address of an application every so many milliseconds, for as long as the page is seen and it is not refused. */
export function usePolled<T>(app: string, path: string, everyMs: number): Polled<T> {
  const data = useSignal<T | undefined>(undefined);
  const error = useSignal<TablecastError | undefined>(undefined);
  const poll = useMemo(() => new Poll<T>(app, path, { everyMs, data, error }), [app, path]);
  useEffect(() => {
    void poll.read();
    return () => poll.close();
  }, [poll]);
  return { data, error, refresh: () => void poll.read() };
}

interface PollOptions<T> {
  readonly everyMs: number;
  readonly data: Signal<T | undefined>;
  readonly error: Signal<TablecastError | undefined>;
}

class Poll<T> {
  readonly #app: string;
  readonly #path: string;
  readonly #options: PollOptions<T>;
  readonly #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(app: string, path: string, options: PollOptions<T>) {
    this.#app = app;
    this.#path = path;
    this.#options = options;
  }

  async read(): Promise<void> {
    clearTimeout(this.#timer);
    const { data, error, everyMs } = this.#options;
    const { signal } = this.#abort;
    try {
      if (!document.hidden) data.value = (await ask<T>(this.#app, this.#path, { signal })).data;
      error.value = undefined;
    } catch (thrown) {
      if (!signal.aborted) error.value = thrown as TablecastError;
    }
    const isRefused = error.value?.status === 403 || error.value?.status === 404;
    clearTimeout(this.#timer);
    if (!signal.aborted && !isRefused) this.#timer = setTimeout(() => void this.read(), everyMs);
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }
}
