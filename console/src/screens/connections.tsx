import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { ConfirmDialog } from '../parts/confirm-dialog.tsx';
import { Note } from '../parts/note.tsx';
import { ask } from '../state/http.ts';
import { describeError, say } from '../state/messages.ts';
import { useStreamed } from '../state/streamed.ts';
import { formatBytes, formatCount, visible } from '../state/text.ts';

interface Channel {
  readonly table?: string;
  readonly id?: string | number;
  readonly query?: string;
  readonly room?: string;
}

interface Connection {
  readonly id: string;
  readonly transport: string;
  readonly carrier: string;
  readonly path?: string;
  readonly rooms?: number;
  readonly subscriptions?: number;
  readonly channels?: readonly Channel[];
  readonly state?: 'live' | 'behind';
  readonly lag?: number | null;
  readonly caller: { readonly sub: string; readonly roles: readonly string[] } | null;
  readonly opened_at: string;
  readonly buffered: number;
}

interface Listed {
  readonly connections: readonly Connection[];
  readonly open: number;
}

/** Open connections with what they listen to and how far they are behind. One can be closed. */
export function ConnectionsScreen({ app }: { readonly app: string }): JSX.Element | null {
  const { data: listed, error } = useStreamed<Listed>(app, '_/admin/connections');
  const closing = useSignal<Connection | undefined>(undefined);
  if (error.value) {
    return (
      <Note icon="unplug" title="Not read">
        <p>{visible(describeError(error.value))}</p>
      </Note>
    );
  }
  if (listed.value === undefined) return null;
  const { connections, open } = listed.value;
  return (
    <div class="page">
      {connections.length === 0 ? (
        <Note icon="unplug" title="No open connections">
          <p>Connections appear here as they open.</p>
        </Note>
      ) : (
        <>
          <p class="soft">
            {formatCount(open)} open
            {open > connections.length && `, the oldest ${formatCount(connections.length)} here`}
          </p>
          <ConnectionTable connections={connections} close={(connection) => (closing.value = connection)} />
        </>
      )}
      {closing.value && <CloseDialog app={app} connection={closing.value} close={() => (closing.value = undefined)} />}
    </div>
  );
}

interface TableProps {
  readonly connections: readonly Connection[];
  close(connection: Connection): void;
}

function ConnectionTable({ connections, close }: TableProps): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="plain">
        <thead>
          <tr>
            {['Transport', 'Channel', 'Caller', 'Opened', 'Lag', 'Buffered', 'Close'].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {connections.map((connection) => (
            <tr key={connection.id}>
              <td>{transportOf(connection)}</td>
              <td title={channelsOf(connection).join('\n')}>{channelOf(connection)}</td>
              <td>{callerOf(connection)}</td>
              <td>{new Date(connection.opened_at).toLocaleString()}</td>
              <td>{lagOf(connection)}</td>
              <td>{formatBytes(connection.buffered)}</td>
              <td>
                <button type="button" class="link" onClick={() => close(connection)}>
                  Close
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface CloseProps {
  readonly app: string;
  readonly connection: Connection;
  close(): void;
}

function CloseDialog({ app, connection, close }: CloseProps): JSX.Element {
  const run = async () => {
    await ask(app, `_/admin/connections/${encodeURIComponent(connection.id)}`, { method: 'DELETE' });
    say('The connection is closed.', 'good');
  };
  return (
    <ConfirmDialog title="Close this connection?" verb="Close the connection" isDanger run={run} close={close}>
      <p>
        {transportOf(connection)}, {callerOf(connection)}: {channelOf(connection)}
      </p>
      <p class="soft">It ends as if the caller had lost its access. A client may connect again.</p>
    </ConfirmDialog>
  );
}

function transportOf({ transport, carrier }: Connection): string {
  return transport === carrier ? transport : `${transport} (${carrier})`;
}

function channelsOf({ channels = [] }: Connection): readonly string[] {
  return channels.map(({ table, id, query, room }) => {
    if (room !== undefined) return visible(room);
    return visible(`${table}${id === undefined ? '' : `/${id}`}${query === undefined ? '' : `?${query}`}`);
  });
}

function channelOf(connection: Connection): string {
  if (connection.path !== undefined) return visible(connection.path);
  const [first = '–'] = channelsOf(connection);
  const all = connection.rooms ?? connection.subscriptions ?? 0;
  return all > 1 ? `${first} and ${formatCount(all - 1)} more` : first;
}

function callerOf({ caller }: Connection): string {
  if (caller === null) return 'anonymous';
  return visible(caller.roles.length === 0 ? caller.sub : `${caller.sub} (${caller.roles.join(', ')})`);
}

function lagOf({ state, lag }: Connection): string {
  if (state === undefined) return '–';
  if (lag === null || lag === undefined) return `${state}, sends the state`;
  return `${state}, ${formatCount(lag)}`;
}
