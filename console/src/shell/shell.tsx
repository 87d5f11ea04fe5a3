import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { Icon } from '../parts/icon.tsx';
import { lazily } from '../parts/lazy.tsx';
import { Messages } from '../parts/messages.tsx';
import { Note } from '../parts/note.tsx';
import { ConflictSheet } from '../record/conflict-sheet.tsx';
import { ChangesScreen } from '../screens/changes-screen.tsx';
import { ChannelsScreen } from '../screens/channels.tsx';
import { ConnectionsScreen } from '../screens/connections.tsx';
import { FlowsScreen } from '../screens/flows.tsx';
import { Overview } from '../screens/overview.tsx';
import { RoomsScreen } from '../screens/rooms.tsx';
import { go, hrefOf, paths, place } from '../state/address.ts';
import { closeOtherClients } from '../state/live.ts';
import { describeError } from '../state/messages.ts';
import { loadSchema, schema, schemaError, tableOf } from '../state/schema.ts';
import { apps, appsError, entryOf, isLocked, leaveView, loadApps, loginEpoch, loginFor } from '../state/session.ts';
import { formatTime, visible } from '../state/text.ts';
import { view } from '../state/view.ts';
import { TableScreen } from '../table/table-screen.tsx';
import { Help } from './help.tsx';
import { LoginForm } from './login.tsx';
import { Nav } from './nav.tsx';
import { isNavOpen } from './open.ts';
import { Palette } from './palette.tsx';

const SchemaScreen = lazily(async () => (await import('../admin/schema-screen.tsx')).SchemaScreen);
const PastScreen = lazily(async () => (await import('../admin/past-screen.tsx')).PastScreen);
const AccountsScreen = lazily(async () => (await import('../admin/accounts-screen.tsx')).AccountsScreen);

/** The whole page. */
export function Shell(): JSX.Element {
  const { app } = place.value;
  useEffect(() => void loadApps(), []);
  useEffect(() => {
    const [only, ...others] = apps.value ?? [];
    if (app === undefined && only !== undefined && others.length === 0) go(paths.app(only.app_id), { replace: true });
  }, [app, apps.value]);
  const epoch = loginEpoch.value;
  useEffect(() => {
    if (app === undefined || apps.value === undefined) return;
    closeOtherClients(app);
    void loadSchema(app);
  }, [app, epoch, apps.value]);
  const entry = app === undefined ? undefined : entryOf(app);
  return (
    <>
      {app === undefined || (apps.value !== undefined && entry === undefined) ? (
        <Apps missing={app} />
      ) : (
        <Application app={app} />
      )}
      <Messages />
      {!isLocked.value && <ConflictSheet />}
      <Palette />
      <Help />
    </>
  );
}

function Application({ app }: { readonly app: string }): JSX.Element {
  const isAnonymous = schemaError.value?.status === 401 && schema.value === undefined;
  if (isAnonymous) {
    return (
      <main class="alone">
        <div class="login-card">
          <h1>{visible(app)}</h1>
          <p class="soft">
            {isLocked.value
              ? 'Locked, since there was no input for a while. What you have not saved is kept.'
              : 'Log in to see what is in it.'}
          </p>
          <LoginForm app={app} />
          {(apps.value?.length ?? 0) > 1 && <a href={hrefOf('')}>Other applications</a>}
        </div>
      </main>
    );
  }
  return (
    <div class="shell">
      <Nav app={app} />
      {isNavOpen.value && (
        <button
          type="button"
          class="scrim"
          aria-label="Close the navigation"
          onClick={() => (isNavOpen.value = false)}
        />
      )}
      <div class="main">
        <ViewBar app={app} />
        <TopBar app={app} />
        <main>
          <Screen app={app} />
        </main>
      </div>
      {loginFor.value === app && schema.value !== undefined && (
        <Dialog title={`Log in to ${app}`} close={() => (loginFor.value = undefined)}>
          <div class="dialog-body">
            <p class="soft">The login has run out. What you have typed is kept.</p>
            <LoginForm app={app} />
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** Says whose view is shown, so that it is not taken for everything. */
function ViewBar({ app }: { readonly app: string }): JSX.Element | null {
  const shown = view.value;
  if (shown?.app !== app) return null;
  const roles = shown.roles.length === 0 ? '' : ` (${shown.roles.join(', ')})`;
  return (
    <section class="view-bar" aria-label="View as another caller">
      <Icon name="eye" />
      <span>
        As <strong>{visible(shown.sub)}</strong>
        {visible(roles)} sees it, read only, until {formatTime(new Date(shown.expiresAt))}
      </span>
      <span class="spacer" />
      <button type="button" onClick={leaveView}>
        Leave
      </button>
    </section>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  channels: 'Channels',
  connections: 'Connections',
  rooms: 'Rooms',
  changes: 'Changes',
  audit: 'Audit log',
  flows: 'Flows',
  schema: 'Schema',
  past: 'Earlier states',
  accounts: 'Users and keys',
};

function TopBar({ app }: { readonly app: string }): JSX.Element {
  const { table, screen } = place.value;
  const title = table ?? TITLES[screen ?? ''] ?? 'Overview';
  useEffect(() => {
    document.title = `${title} · ${app} · Tablecast`;
  }, [title, app]);
  return (
    <header class="top-bar">
      <button type="button" class="quiet nav-button" aria-label="Navigation" onClick={() => (isNavOpen.value = true)}>
        <Icon name="menu" />
      </button>
      <h1>{visible(title)}</h1>
      {table !== undefined && <p class="soft description">{visible(tableOf(table)?.description ?? '')}</p>}
    </header>
  );
}

function Screen({ app }: { readonly app: string }): JSX.Element | null {
  const { table: name, screen } = place.value;
  const found = schema.value;
  if (found === undefined) return schemaError.value ? <Failed app={app} /> : <p class="panel-note">Reading…</p>;
  if (name !== undefined) {
    const table = tableOf(name);
    if (table === undefined) {
      return (
        <Note icon="table-2" title={`There is no table ${visible(name)}`}>
          <a href={hrefOf(paths.app(app))}>All tables</a>
        </Note>
      );
    }
    return <TableScreen key={`${app}/${name}/${view.value?.token ?? ''}`} app={app} table={table} />;
  }
  if (screen === 'channels') return <ChannelsScreen app={app} />;
  if (!found.admin || screen === undefined) return <Overview app={app} />;
  if (screen === 'connections') return <ConnectionsScreen app={app} />;
  if (screen === 'rooms') return <RoomsScreen app={app} />;
  if (screen === 'changes' || screen === 'audit') return <ChangesScreen app={app} source={screen} />;
  if (screen === 'flows') return <FlowsScreen app={app} />;
  if (screen === 'schema') return <SchemaScreen app={app} />;
  if (screen === 'past') return <PastScreen app={app} />;
  if (screen === 'accounts') return <AccountsScreen app={app} />;
  return <Overview app={app} />;
}

function Failed({ app }: { readonly app: string }): JSX.Element {
  return (
    <Note icon="unplug" title="The application was not read">
      <p>{visible(describeError(schemaError.value))}</p>
      <button type="button" onClick={() => void loadSchema(app)}>
        Try again
      </button>
    </Note>
  );
}

function Apps({ missing }: { readonly missing: string | undefined }): JSX.Element {
  return (
    <main class="alone">
      <div class="login-card">
        <h1>Tablecast</h1>
        {missing !== undefined && <p>There is no application {visible(missing)} here.</p>}
        {appsError.value && <p class="field-error">{appsError.value}</p>}
        <ul class="apps">
          {apps.value?.map(({ app_id }) => (
            <li key={app_id}>
              <a class="card" href={hrefOf(paths.app(app_id))}>
                <strong>{visible(app_id)}</strong>
              </a>
            </li>
          ))}
        </ul>
      </div>
    </main>
  );
}
