import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Note } from '../parts/note.tsx';
import { ask, type TablecastError } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { formatCount, visible } from '../state/text.ts';
import { JsonTable } from './flows.tsx';

const EVERY_MS = 2_000;

interface Connector {
  readonly name: string;
  readonly connections: number;
  readonly users: number;
  readonly rooms: number;
  readonly list: readonly Readonly<Record<string, unknown>>[];
}

/** Rooms of each connector, with those who are in them now. */
export function RoomsScreen({ app }: { readonly app: string }): JSX.Element {
  const connectors = useSignal<readonly Connector[] | undefined>(undefined);
  const error = useSignal<TablecastError | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async () => {
      try {
        const { data } = await ask<{ connectors: readonly Connector[] }>(app, '_/admin/rooms', {
          signal: abort.signal,
        });
        connectors.value = data.connectors;
        error.value = undefined;
      } catch (thrown) {
        if (!abort.signal.aborted) error.value = thrown as TablecastError;
      }
      if (!abort.signal.aborted && error.value?.status !== 404) timer = setTimeout(() => void read(), EVERY_MS);
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
  if (connectors.value?.length === 0) {
    return (
      <Note icon="cable" title="No rooms">
        <p>A connector of type websocket or sse in config.yaml has rooms.</p>
      </Note>
    );
  }
  return (
    <div class="page">
      {connectors.value?.map(({ name, connections, users, rooms, list }) => (
        <section key={name} class="page-section">
          <h2 class="section">{visible(name)}</h2>
          <p class="soft">
            {formatCount(connections)} connections, {formatCount(users)} users, {formatCount(rooms)} rooms
          </p>
          {list.length > 0 && <JsonTable rows={list} />}
        </section>
      ))}
    </div>
  );
}
