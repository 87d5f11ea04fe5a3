import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Note } from '../parts/note.tsx';
import { ask, type TablecastError } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { visible } from '../state/text.ts';
import { JsonTable } from './flows.tsx';

const EVERY_MS = 1_000;

type Json = Readonly<Record<string, unknown>>;

/** Open connections and subscriptions, and how far each of them is behind. */
export function ConnectionsScreen({ app }: { readonly app: string }): JSX.Element {
  const rows = useSignal<readonly Json[] | undefined>(undefined);
  const error = useSignal<TablecastError | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async () => {
      try {
        const { data } = await ask<{ connections: readonly Json[] }>(app, '_/admin/connections', {
          signal: abort.signal,
        });
        rows.value = data.connections;
        error.value = undefined;
      } catch (thrown) {
        if (abort.signal.aborted) return;
        error.value = thrown as TablecastError;
        if (error.value.status === 404 || error.value.status === 403) return;
      }
      if (!abort.signal.aborted) timer = setTimeout(() => void read(), EVERY_MS);
    };
    void read();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [app]);
  if (error.value) {
    return (
      <Note icon="cable" title="Not read">
        <p>{visible(describeError(error.value))}</p>
      </Note>
    );
  }
  return (
    <div class="page">
      {rows.value?.length === 0 ? (
        <Note icon="cable" title="Nobody listens">
          <p>Connections appear here as they open.</p>
        </Note>
      ) : (
        <JsonTable rows={rows.value ?? []} />
      )}
    </div>
  );
}
