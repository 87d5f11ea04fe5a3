import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { go, paths, place } from '../state/address.ts';
import { schema } from '../state/schema.ts';
import { apps } from '../state/session.ts';
import { nextTheme } from '../state/settings.ts';
import { canWrite } from '../state/view.ts';
import { currentTable } from '../table/table-screen.tsx';
import { isHelpOpen, isPaletteOpen } from './open.ts';

interface Command {
  readonly label: string;
  readonly note: string;
  readonly icon: string;
  run(): void;
}

const MAX_SHOWN = 12;
const ADMIN_SCREENS = ['channels', 'connections', 'rooms', 'schema', 'accounts', 'changes', 'past', 'audit', 'flows'];

/** Everything that can be gone to or done, by a few letters of its name. */
export function Palette(): JSX.Element | null {
  return isPaletteOpen.value ? <OpenPalette /> : null;
}

function OpenPalette(): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  const text = useSignal('');
  const chosen = useSignal(0);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.showModal();
    return () => before?.focus?.();
  }, []);
  const close = () => {
    isPaletteOpen.value = false;
  };
  const found = commandsFor(text.value).slice(0, MAX_SHOWN);
  const run = (command: Command | undefined) => {
    close();
    command?.run();
  };
  return (
    <dialog
      ref={element}
      class="palette"
      aria-label="Commands"
      onCancel={close}
      onClick={(event) => event.target === element.current && close()}
      onKeyDown={() => undefined}
    >
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length > 0 ? `command-${chosen.value}` : undefined}
        aria-label="Find a table, a screen or an action"
        placeholder="Table, screen, action, or Table/key"
        autocomplete="off"
        spellcheck={false}
        value={text.value}
        onInput={({ currentTarget: { value } }) => {
          text.value = value;
          chosen.value = 0;
        }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') chosen.value = Math.min(found.length - 1, chosen.value + 1);
          else if (event.key === 'ArrowUp') chosen.value = Math.max(0, chosen.value - 1);
          else if (event.key === 'Enter') run(found[chosen.value]);
          else return;
          event.preventDefault();
        }}
      />
      <div id="palette-list" role="listbox" aria-label="Commands">
        {found.map((command, index) => (
          <div
            key={`${command.note} ${command.label}`}
            id={`command-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen.value}
            class="option"
            onPointerDown={(event) => {
              event.preventDefault();
              run(command);
            }}
          >
            <Icon name={command.icon} />
            <span>{command.label}</span>
            <small>{command.note}</small>
          </div>
        ))}
        {found.length === 0 && <p class="panel-note">Nothing has this name.</p>}
      </div>
    </dialog>
  );
}

function commandsFor(text: string): readonly Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const named = allCommands().filter(({ label, note }) =>
    words.every((word) => `${label} ${note}`.toLowerCase().includes(word)),
  );
  const record = /^(\S+?)\/(.+)$/.exec(text.trim());
  const table = schema.value?.tables.find(({ name }) => name.toLowerCase() === record?.[1]?.toLowerCase());
  if (record === null || table === undefined) return named;
  const { app = '' } = place.value;
  const key = record[2] as string;
  const run = () => go(paths.record(app, table.name, key));
  return [{ label: `${table.name} ${key}`, note: 'record', icon: 'arrow-up-right', run }, ...named];
}

function allCommands(): readonly Command[] {
  const { app } = place.value;
  const found = schema.value;
  const table = currentTable.value;
  const commands: Command[] = [];
  if (app !== undefined && found !== undefined) {
    const to = (path: string) => () => go(path);
    for (const { name } of found.tables) {
      commands.push({ label: name, note: 'table', icon: 'table-2', run: to(paths.table(app, name)) });
    }
    const screens = found.admin ? ADMIN_SCREENS : ['channels'];
    for (const screen of screens) {
      const label = screen[0]?.toUpperCase() + screen.slice(1);
      commands.push({ label, note: 'screen', icon: 'chevron-right', run: to(paths.screen(app, screen)) });
    }
    commands.push({ label: 'Overview', note: 'screen', icon: 'house', run: to(paths.app(app)) });
  }
  if (table !== undefined && canWrite.value) {
    const create = () => {
      table.isCreating.value = true;
    };
    commands.unshift(
      { label: 'New record', note: table.table.name, icon: 'plus', run: create },
      { label: 'Read again', note: table.table.name, icon: 'refresh-cw', run: () => void table.rows.reload() },
    );
  }
  for (const { app_id } of apps.value ?? []) {
    commands.push({ label: app_id, note: 'application', icon: 'database', run: () => go(paths.app(app_id)) });
  }
  commands.push({ label: 'Another theme', note: 'action', icon: 'sun', run: nextTheme });
  commands.push({ label: 'Keyboard', note: 'help', icon: 'circle-help', run: () => (isHelpOpen.value = true) });
  return commands;
}
