import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { Icon } from '../parts/icon.tsx';
import { lazily } from '../parts/lazy.tsx';
import { go, hrefOf, paths, place } from '../state/address.ts';
import { schema } from '../state/schema.ts';
import { apps, entryOf, isLoggedIn, logOut } from '../state/session.ts';
import { nextTheme, theme } from '../state/settings.ts';
import { visible } from '../state/text.ts';
import { isHelpOpen, isNavOpen, isPaletteOpen, isViewAsOpen } from './open.ts';

const MIN_FILTERED = 12;
const ViewAsDialog = lazily(async () => (await import('../admin/view-as-dialog.tsx')).ViewAsDialog);

/** Applications, tables and screens. */
export function Nav({ app }: { readonly app: string }): JSX.Element {
  const found = schema.value;
  return (
    <nav class={isNavOpen.value ? 'nav open' : 'nav'} aria-label="Console">
      <AppSwitcher app={app} />
      <div class="nav-scroll">
        <NavLink
          icon="house"
          label="Overview"
          href={paths.app(app)}
          isHere={place.value.table === undefined && place.value.screen === undefined}
        />
        {found && <Tables app={app} />}
        {found && (
          <>
            <p class="nav-title">Live</p>
            <Screen app={app} icon="radio" label="Channels" screen="channels" />
            {found.admin && <Screen app={app} icon="activity" label="Connections" screen="connections" />}
            {found.admin && <Screen app={app} icon="cable" label="Rooms" screen="rooms" />}
          </>
        )}
        {found?.admin && (
          <>
            <p class="nav-title">Application</p>
            <Screen app={app} icon="list-tree" label="Schema" screen="schema" />
            {entryOf(app)?.auth !== 'none' && (
              <Screen app={app} icon="key-round" label="Users and keys" screen="accounts" />
            )}
            <p class="nav-title">Log</p>
            <Screen app={app} icon="history" label="Changes" screen="changes" />
            <Screen app={app} icon="rotate-ccw" label="Earlier states" screen="past" />
            <Screen app={app} icon="scroll-text" label="Audit" screen="audit" />
            <Screen app={app} icon="workflow" label="Flows" screen="flows" />
          </>
        )}
      </div>
      <NavFoot app={app} />
    </nav>
  );
}

function AppSwitcher({ app }: { readonly app: string }): JSX.Element {
  const all = apps.value ?? [];
  return (
    <div class="switcher">
      <span class="mark" aria-hidden="true">
        {app.slice(0, 1).toUpperCase()}
      </span>
      {all.length > 1 ? (
        <select aria-label="Application" value={app} onChange={({ currentTarget: { value } }) => go(paths.app(value))}>
          {all.map(({ app_id }) => (
            <option key={app_id}>{app_id}</option>
          ))}
        </select>
      ) : (
        <strong>{visible(app)}</strong>
      )}
    </div>
  );
}

function Tables({ app }: { readonly app: string }): JSX.Element {
  const filter = useSignal('');
  const tables = schema.value?.tables ?? [];
  const shown = tables.filter(({ name }) => name.toLowerCase().includes(filter.value.toLowerCase()));
  return (
    <>
      <p class="nav-title">Tables</p>
      {tables.length >= MIN_FILTERED && (
        <input
          class="nav-filter"
          type="search"
          placeholder="Find a table"
          aria-label="Find a table"
          value={filter.value}
          onInput={({ currentTarget: { value } }) => (filter.value = value)}
        />
      )}
      {shown.map(({ name }) => (
        <NavLink
          key={name}
          icon="table-2"
          label={visible(name)}
          href={paths.table(app, name)}
          isHere={place.value.table === name}
        />
      ))}
    </>
  );
}

function Screen({
  app,
  icon,
  label,
  screen,
}: Readonly<Record<'app' | 'icon' | 'label' | 'screen', string>>): JSX.Element {
  return <NavLink icon={icon} label={label} href={paths.screen(app, screen)} isHere={place.value.screen === screen} />;
}

interface LinkProps {
  readonly icon: string;
  readonly label: string;
  readonly href: string;
  readonly isHere: boolean;
}

function NavLink({ icon, label, href, isHere }: LinkProps): JSX.Element {
  return (
    <a
      class="nav-link"
      href={hrefOf(href)}
      aria-current={isHere ? 'page' : undefined}
      onClick={() => {
        isNavOpen.value = false;
      }}
    >
      <Icon name={icon} />
      <span>{label}</span>
    </a>
  );
}

const THEMES = { system: 'monitor', light: 'sun', dark: 'moon' } as const;

function NavFoot({ app }: { readonly app: string }): JSX.Element {
  const who = schema.value?.who;
  return (
    <div class="nav-foot">
      {schema.value?.admin && entryOf(app)?.auth !== 'none' && (
        <button
          type="button"
          class="quiet"
          aria-label="View as"
          title="View as another caller"
          onClick={() => (isViewAsOpen.value = true)}
        >
          <Icon name="eye" />
        </button>
      )}
      {isViewAsOpen.value && <ViewAsDialog app={app} close={() => (isViewAsOpen.value = false)} />}
      {entryOf(app)?.auth === 'none' ? (
        <p class="soft" title="Callers are not asked who they are, and only this machine can connect.">
          This machine only
        </p>
      ) : (
        isLoggedIn(app) && (
          <button type="button" class="quiet who" title={`Log out ${who ?? ''}`} onClick={() => void logOut(app)}>
            <Icon name="log-out" />
            <span>Log out</span>
          </button>
        )
      )}
      <span class="spacer" />
      <button
        type="button"
        class="quiet"
        aria-label={`Theme: ${theme.value}`}
        title={`Theme: ${theme.value}`}
        onClick={nextTheme}
      >
        <Icon name={THEMES[theme.value]} />
      </button>
      <button
        type="button"
        class="quiet"
        aria-label="Commands"
        title="Commands (Ctrl K)"
        onClick={() => (isPaletteOpen.value = true)}
      >
        <Icon name="command" />
      </button>
      <button
        type="button"
        class="quiet"
        aria-label="Keyboard"
        title="Keyboard (?)"
        onClick={() => (isHelpOpen.value = true)}
      >
        <Icon name="circle-help" />
      </button>
    </div>
  );
}
