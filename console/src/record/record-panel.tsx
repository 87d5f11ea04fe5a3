import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { discard, draftsOf } from '../edits/drafts.ts';
import { saving } from '../edits/save.ts';
import { Icon } from '../parts/icon.tsx';
import { lazily } from '../parts/lazy.tsx';
import { go, paths } from '../state/address.ts';
import { schema } from '../state/schema.ts';
import { visible } from '../state/text.ts';
import { canWrite } from '../state/view.ts';
import type { TableController } from '../table/controller.ts';
import { saveTable } from '../table/pending-bar.tsx';
import { FieldsTab } from './fields-tab.tsx';
import { History } from './history.tsx';
import { JsonTab } from './json-tab.tsx';
import { LiveRecord } from './live-record.ts';
import { NewRecord } from './new-record.tsx';
import { Related, referencesTo } from './related.tsx';

type Tab = 'Fields' | 'JSON' | 'Related' | 'History' | 'Access';

const AccessTrace = lazily(async () => (await import('../admin/access-trace.tsx')).AccessTrace);

interface Props {
  readonly table: TableController;
  readonly id: string;
}

interface PanelProps {
  readonly table: TableController;
  /** Undefined for a record that is to be created. */
  readonly id: string | undefined;
}

/** One record beside the grid: its fields, its JSON, its history, and who may do what with it. */
export function RecordPanel({ table, id }: PanelProps): JSX.Element {
  const isNew = id === undefined;
  const close = () => {
    table.isCreating.value = false;
    go(paths.table(table.app, table.table.name, table.query.search));
    table.view.focusCell(Math.max(0, table.view.active.row), table.view.active.column);
  };
  return (
    <aside
      class="panel"
      aria-label={isNew ? `New ${table.table.name}` : `${table.table.name} ${id}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.defaultPrevented) close();
      }}
    >
      <header class="panel-head">
        <div>
          <p class="over">{visible(table.table.name)}</p>
          <h2>{isNew ? 'New record' : visible(id)}</h2>
        </div>
        {!isNew && <Neighbours table={table} id={id} />}
        <button type="button" class="quiet" aria-label="Close the panel" onClick={close}>
          <Icon name="x" />
        </button>
      </header>
      {isNew ? <NewRecord table={table} /> : <Record table={table} id={id} />}
    </aside>
  );
}

function Neighbours({ table, id }: Props): JSX.Element {
  const step = (by: number) => {
    const { loaded, start } = table.rows;
    const at = loaded.findIndex((row) => String(row.id) === id);
    const next = loaded[at + by];
    if (at < 0 || next === undefined) return;
    table.view.focusCell(start + at + by, table.view.active.column);
    go(paths.record(table.app, table.table.name, next.id, table.query.search), { replace: true });
  };
  return (
    <>
      <button type="button" class="quiet" aria-label="Record above" onClick={() => step(-1)}>
        <Icon name="arrow-up" />
      </button>
      <button type="button" class="quiet" aria-label="Record below" onClick={() => step(1)}>
        <Icon name="arrow-down" />
      </button>
    </>
  );
}

function Record({ table, id }: Props): JSX.Element {
  const tab = useSignal<Tab>('Fields');
  const live = useSignal<LiveRecord | undefined>(undefined);
  useEffect(() => {
    const made = new LiveRecord(table.app, table.table, id);
    live.value = made;
    return () => made.close();
  }, [table, id]);
  const record = live.value;
  const tabs = tabsOf(table.table.name);
  return (
    <>
      <div
        class="tabs"
        role="tablist"
        aria-label="Views of the record"
        onKeyDown={(event) => {
          const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
          if (by === 0) return;
          event.preventDefault();
          tab.value = tabs.at((tabs.indexOf(tab.value) + by) % tabs.length) as Tab;
          event.currentTarget.querySelectorAll<HTMLElement>('[role="tab"]')[tabs.indexOf(tab.value)]?.focus();
        }}
      >
        {tabs.map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            aria-selected={tab.value === name}
            tabIndex={tab.value === name ? 0 : -1}
            onClick={() => {
              tab.value = name;
            }}
          >
            {name}
          </button>
        ))}
      </div>
      <div class="panel-body" role="tabpanel" aria-label={tab.value}>
        {record && tab.value === 'Fields' && <FieldsTab table={table} live={record} />}
        {record && tab.value === 'JSON' && <JsonTab table={table} live={record} />}
        {record && tab.value === 'Related' && <Related table={table} live={record} />}
        {record && tab.value === 'History' && <History table={table} live={record} />}
        {record && tab.value === 'Access' && <AccessTrace table={table} id={record.key} />}
      </div>
      {record && canWrite.value && <SaveBar table={table} live={record} />}
    </>
  );
}

/** Views of a record that this caller has. */
function tabsOf(table: string): readonly Tab[] {
  if (schema.value?.admin) return ['Fields', 'JSON', 'Related', 'History', 'Access'];
  return referencesTo(table).length > 0 ? ['Fields', 'JSON', 'Related'] : ['Fields', 'JSON'];
}

function SaveBar({ table, live }: { readonly table: TableController; readonly live: LiveRecord }): JSX.Element | null {
  const { app } = table;
  const { name } = table.table;
  const key = live.key;
  const draft = draftsOf(app, name).value.get(key);
  const record = live.record.value;
  if (record === undefined && draft === undefined) return null;
  return (
    <footer class="panel-foot">
      {record && (
        <button
          type="button"
          class="quiet danger"
          onClick={() => {
            table.select(new Map([[key, { id: key, record, asOf: 0 }]]));
            table.isDeleting.value = true;
          }}
        >
          <Icon name="trash-2" /> Delete
        </button>
      )}
      <span class="spacer" />
      {draft && (
        <button type="button" onClick={() => discard(app, name, key)}>
          Discard
        </button>
      )}
      <button
        type="button"
        class="primary"
        disabled={draft === undefined || saving.value}
        onClick={() => void saveTable(app, name)}
      >
        <Icon name="save" /> Save
      </button>
    </footer>
  );
}
