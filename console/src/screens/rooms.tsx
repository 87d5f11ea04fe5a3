import type { JSX } from 'preact';
import { Note } from '../parts/note.tsx';
import { describeError } from '../state/messages.ts';
import { usePolled } from '../state/polled.ts';
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
  const { data, error } = usePolled<{ connectors: readonly Connector[] }>(app, '_/admin/rooms', EVERY_MS);
  const connectors = data.value?.connectors;
  if (error.value) {
    return (
      <Note icon="cable" title="Not read">
        <p>{visible(describeError(error.value))}</p>
      </Note>
    );
  }
  if (connectors?.length === 0) {
    return (
      <Note icon="cable" title="No rooms">
        <p>A connector of type websocket or sse in config.yaml has rooms.</p>
      </Note>
    );
  }
  return (
    <div class="page">
      {connectors?.map(({ name, connections, users, rooms, list }) => (
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
