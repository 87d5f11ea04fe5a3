import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Note } from '../parts/note.tsx';
import { JsonTable } from '../screens/flows.tsx';
import { ask, type TablecastError } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { visible } from '../state/text.ts';

type Row = Readonly<Record<string, unknown>>;

interface Accounts {
  readonly users: readonly Row[];
  readonly keys: readonly Row[];
}

/** Users and API keys of an application, without what they are opened with. */
export function AccountsScreen({ app }: { readonly app: string }): JSX.Element {
  const found = useSignal<Accounts | undefined>(undefined);
  const failure = useSignal<TablecastError | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    Promise.all([
      ask<{ users: readonly Row[] }>(app, '_/admin/users', { signal }),
      ask<{ keys: readonly Row[] }>(app, '_/admin/keys', { signal }),
    ])
      .then(([{ data: users }, { data: keys }]) => {
        found.value = { ...users, ...keys };
      })
      .catch((error: TablecastError) => {
        if (!signal.aborted) failure.value = error;
      });
    return () => abort.abort();
  }, [app]);
  if (failure.value) {
    return (
      <Note icon="user" title={failure.value.status === 404 ? 'No users and keys' : 'Not read'}>
        <p>{visible(describeError(failure.value))}</p>
      </Note>
    );
  }
  if (found.value === undefined) return <p class="panel-note">Reading…</p>;
  const { users, keys } = found.value;
  return (
    <div class="page">
      <p class="soft">
        They are made and changed on the command line: <code>tablecast user create</code>,{' '}
        <code>tablecast key create</code>.
      </p>
      <h2 class="section">Users</h2>
      {users.length === 0 ? <p class="panel-note">None.</p> : <JsonTable rows={users} />}
      <h2 class="section">API keys</h2>
      {keys.length === 0 ? <p class="panel-note">None.</p> : <JsonTable rows={keys} />}
    </div>
  );
}
