import { signal, useSignal } from '@preact/signals';
import type { JSX, TargetedMouseEvent } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { RecordPanel } from '../record/record-panel.tsx';
import { go, paths, place } from '../state/address.ts';
import { describeError } from '../state/messages.ts';
import type { Table } from '../state/schema.ts';
import { visible } from '../state/text.ts';
import { canWrite } from '../state/view.ts';
import { ColumnMenu, ColumnsMenu } from './column-menu.tsx';
import { TableController } from './controller.ts';
import { CopyAsMenu } from './copy-as.tsx';
import { DeleteDialog } from './delete-dialog.tsx';
import { MoreMenu, OpenDialog } from './more-menu.tsx';
import { PendingBar } from './pending-bar.tsx';
import { QueryBar } from './query-bar.tsx';
import { StatusLine } from './status-line.tsx';

/** Table on the screen, for keys of the whole page. */
export const currentTable = signal<TableController | undefined>(undefined);

interface Props {
  readonly app: string;
  readonly table: Table;
}

export function TableScreen({ app, table }: Props): JSX.Element {
  const controller = useSignal<TableController | undefined>(undefined);
  const { search, id } = place.value;
  useLayoutEffect(() => {
    const made = new TableController(app, table, search);
    controller.value = made;
    currentTable.value = made;
    return () => {
      currentTable.value = undefined;
      made.close();
    };
  }, [app, table]);
  useEffect(() => controller.value?.setSearch(search), [search]);
  const current = controller.value;
  const isCreating = current?.isCreating.value === true;
  const hasPanel = id !== undefined || isCreating;
  return (
    <div class={hasPanel ? 'table-screen with-panel' : 'table-screen'}>
      <section class="table-main" aria-label={table.name}>
        {current && <TableBody table={current} />}
      </section>
      {hasPanel && current && (
        <RecordPanel key={isCreating ? '' : id} table={current} id={isCreating ? undefined : id} />
      )}
    </div>
  );
}

function TableBody({ table }: { readonly table: TableController }): JSX.Element {
  return (
    <>
      <Toolbar table={table} />
      <div class="grid-area">
        <GridElement table={table} />
        <AbovePill table={table} />
        <Outcome table={table} />
      </div>
      <PendingBar table={table} />
      <StatusLine table={table} />
      <ColumnMenu table={table} />
      {table.isDeleting.value && <DeleteDialog table={table} />}
      <OpenDialog table={table} />
    </>
  );
}

function GridElement({ table }: { readonly table: TableController }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    host.current?.replaceChildren(table.view.element);
  }, [table]);
  return <div class="grid-host" ref={host} />;
}

type ToolMenu = 'columns' | 'copy' | 'more';

function Toolbar({ table }: { readonly table: TableController }): JSX.Element {
  const menu = useSignal<{ what: ToolMenu; anchor: HTMLElement } | undefined>(undefined);
  const close = () => {
    menu.value = undefined;
  };
  const open = (what: ToolMenu) => (event: TargetedMouseEvent<HTMLButtonElement>) => {
    menu.value = menu.value?.what === what ? undefined : { what, anchor: event.currentTarget };
  };
  const { size } = table.selection.value;
  return (
    <div class="toolbar">
      <QueryBar table={table} />
      <div class="tools">
        {size > 0 ? (
          <SelectionTools table={table} size={size} />
        ) : (
          <>
            <LiveToggle table={table} />
            <button type="button" aria-haspopup="menu" title="Columns" onClick={open('columns')}>
              <Icon name="columns-3" />
              <span class="label">Columns</span>
            </button>
            <button type="button" aria-haspopup="menu" title="Copy as" onClick={open('copy')}>
              <Icon name="copy" />
              <span class="label">Copy as</span>
            </button>
            <button type="button" aria-haspopup="menu" aria-label="More" title="More" onClick={open('more')}>
              <Icon name="ellipsis" />
            </button>
            {canWrite.value && (
              <button
                type="button"
                class="primary"
                onClick={() => {
                  table.isCreating.value = true;
                }}
              >
                <Icon name="plus" />
                <span class="label">New</span>
              </button>
            )}
          </>
        )}
      </div>
      {menu.value?.what === 'columns' && <ColumnsMenu table={table} anchor={menu.value.anchor} close={close} />}
      {menu.value?.what === 'more' && <MoreMenu table={table} anchor={menu.value.anchor} close={close} />}
      {menu.value?.what === 'copy' && <CopyAsMenu table={table} anchor={menu.value.anchor} close={close} />}
    </div>
  );
}

function LiveToggle({ table }: { readonly table: TableController }): JSX.Element {
  const isPaused = table.isPaused.value;
  return (
    <button
      type="button"
      aria-pressed={!isPaused}
      title={isPaused ? 'Go on live' : 'Pause: rows stay as they are'}
      onClick={() => table.togglePause()}
    >
      <Icon name={isPaused ? 'play' : 'pause'} />
      <span class="label">{isPaused ? 'Go live' : 'Pause'}</span>
    </button>
  );
}

function SelectionTools({ table, size }: { readonly table: TableController; readonly size: number }): JSX.Element {
  return (
    <>
      <span class="selected-count">{size} selected</span>
      <button type="button" onClick={() => table.select(new Map())}>
        Clear
      </button>
      {canWrite.value && <SelectionWrites table={table} />}
    </>
  );
}

function SelectionWrites({ table }: { readonly table: TableController }): JSX.Element {
  return (
    <>
      <button
        type="button"
        onClick={() => {
          table.dialog.value = { what: 'change', scope: 'selection' };
        }}
      >
        <Icon name="pencil" />
        <span class="label">Change</span>
      </button>
      <button
        type="button"
        class="danger"
        onClick={() => {
          table.isDeleting.value = true;
        }}
      >
        <Icon name="trash-2" />
        <span class="label">Delete</span>
      </button>
    </>
  );
}

function AbovePill({ table }: { readonly table: TableController }): JSX.Element | null {
  const count = table.above.value;
  if (count === 0) return null;
  return (
    <button type="button" class="above-pill" onClick={() => table.toTop()}>
      <Icon name="arrow-up" /> {count} new above
    </button>
  );
}

/** What is said over the grid when there are no rows in it. */
function Outcome({ table }: { readonly table: TableController }): JSX.Element | null {
  table.hasSpoken.value;
  const { loaded, isLast, status, error } = table.rows;
  const mends = error?.code === 'SCAN_TOO_LARGE' && (
    <p>
      An index makes it fast: <code>@indexed</code> at a field of the condition, or{' '}
      <code>@compositeIndex(fields: […])</code> at the type.
    </p>
  );
  if (status === 'failed' && error !== undefined && (loaded.length === 0 || error.status === 400)) {
    return (
      <div class="grid-note" role="alert">
        <h2>{error.status === 403 ? 'Not allowed' : error.status === 400 ? 'This query does not work' : 'Not read'}</h2>
        <p>{visible(describeError(error))}</p>
        {mends}
        <button type="button" onClick={() => void table.rows.reload()}>
          Try again
        </button>
      </div>
    );
  }
  if (loaded.length > 0 || status === 'loading' || !isLast) return null;
  return table.query.filter === '' ? <EmptyTable table={table} /> : <NoMatch table={table} />;
}

function NoMatch({ table }: { readonly table: TableController }): JSX.Element {
  return (
    <div class="grid-note">
      <h2>No record matches</h2>
      <p>It will appear here as soon as one does.</p>
      <button type="button" onClick={() => go(paths.table(table.app, table.table.name))}>
        Show all records
      </button>
    </div>
  );
}

function EmptyTable({ table }: { readonly table: TableController }): JSX.Element {
  return (
    <div class="grid-note">
      <h2>No records yet</h2>
      <p>Waiting for the first write: it lights up here by itself.</p>
      {canWrite.value && <FirstRecords table={table} />}
    </div>
  );
}

function FirstRecords({ table }: { readonly table: TableController }): JSX.Element {
  return (
    <>
      <button
        type="button"
        class="primary"
        onClick={() => {
          table.isCreating.value = true;
        }}
      >
        <Icon name="plus" /> Add one
      </button>
      <button
        type="button"
        onClick={() => {
          table.dialog.value = { what: 'import' };
        }}
      >
        <Icon name="upload" /> Import
      </button>
    </>
  );
}
