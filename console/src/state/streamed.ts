import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { pause } from '../../../src/client/connection/backoff.ts';
import { makeEnvironment } from '../../../src/client/connection/environment.ts';
import { type TablecastError, urlOf } from './http.ts';
import { askForLogin, loginEpoch, tokenOf } from './session.ts';

/** What an address of the admin API streams. */
export interface Streamed<T> {
  /** Newest state; undefined until there is one. */
  readonly data: Signal<T | undefined>;
  /** Present while the stream is not there. */
  readonly error: Signal<TablecastError | undefined>;
}

const RETRY_MS = 1_000;
const REFUSED = new Set([401, 403, 404]);

/** Follows the event stream of an address, each event of which has all of its state, until it is refused. */
export function useStreamed<T>(app: string, path: string): Streamed<T> {
  const data = useSignal<T | undefined>(undefined);
  const error = useSignal<TablecastError | undefined>(undefined);
  const epoch = loginEpoch.value;
  useEffect(() => {
    const closed = new AbortController();
    void follow<T>({ app, path, data, error }, closed);
    return () => closed.abort();
  }, [app, path, epoch]);
  return { data, error };
}

interface Followed<T> extends Streamed<T> {
  readonly app: string;
  readonly path: string;
}

async function follow<T>({ app, path, data, error }: Followed<T>, closed: AbortController): Promise<void> {
  const { readEventSource } = await import('../../../src/client/connection/event-source.ts');
  const { signal } = closed;
  let renew = false;
  const environment = makeEnvironment(urlOf(app, ''), { token: () => tokenOf(app, { renew }) });
  const onMessage = (found: T) => {
    renew = false;
    data.value = found;
    error.value = undefined;
  };
  while (!signal.aborted) {
    try {
      await readEventSource<T>(environment, urlOf(app, path), { onMessage, reconnect: false }, closed);
    } catch (thrown) {
      const { status } = thrown as TablecastError;
      const mayRenew: boolean = status === 401 && !renew;
      error.value = mayRenew ? undefined : (thrown as TablecastError);
      if (status === 401 && renew) askForLogin(app);
      if (REFUSED.has(status) && !mayRenew) return;
      renew = mayRenew;
    }
    await pause(renew ? 0 : RETRY_MS, signal).catch(() => {});
  }
}
