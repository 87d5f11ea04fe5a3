import type { JSX } from 'preact';
import { lazily } from '../parts/lazy.tsx';
import { Menu, MenuItem } from '../parts/menu.tsx';
import { go, paths } from '../state/address.ts';
import { schema } from '../state/schema.ts';
import { canWrite } from '../state/view.ts';
import type { TableController, TableDialog } from './controller.ts';

const ImportDialog = lazily(async () => (await import('../transfer/import-dialog.tsx')).ImportDialog);
const ExportDialog = lazily(async () => (await import('../transfer/export-dialog.tsx')).ExportDialog);
const ExplainDialog = lazily(async () => (await import('../admin/explain-dialog.tsx')).ExplainDialog);
const AccessDialog = lazily(async () => (await import('../admin/access-dialog.tsx')).AccessDialog);
const BulkDialog = lazily(async () => (await import('./bulk-dialog.tsx')).BulkDialog);

interface Props {
  readonly table: TableController;
  readonly anchor: HTMLElement;
  close(): void;
}

/** What can be done with all records of the query. */
export function MoreMenu({ table, anchor, close }: Props): JSX.Element {
  const open = (dialog: TableDialog) => () => {
    close();
    table.dialog.value = dialog;
  };
  const isTotals = table.query.mode === 'totals';
  return (
    <Menu anchor={anchor} label="More" close={close}>
      {canWrite.value && <MenuItem run={open({ what: 'import' })}>Import…</MenuItem>}
      <MenuItem run={open({ what: 'export' })}>Export…</MenuItem>
      {canWrite.value && (
        <>
          <MenuItem disabled={isTotals} run={open({ what: 'change', scope: 'matches' })}>
            Change all that match…
          </MenuItem>
          <MenuItem disabled={isTotals} run={open({ what: 'delete', scope: 'matches' })}>
            Delete all that match…
          </MenuItem>
        </>
      )}
      {schema.value?.admin && (
        <>
          <MenuItem run={open({ what: 'explain' })}>Explain this query…</MenuItem>
          <MenuItem run={open({ what: 'access' })}>Who may do what…</MenuItem>
          <MenuItem run={() => go(paths.screen(table.app, 'past', `table=${encodeURIComponent(table.table.name)}`))}>
            At an earlier time…
          </MenuItem>
        </>
      )}
    </Menu>
  );
}

/** Dialog of the table that is open. */
export function OpenDialog({ table }: { readonly table: TableController }): JSX.Element | null {
  const open = table.dialog.value;
  const close = () => {
    table.dialog.value = undefined;
  };
  if (open === undefined) return null;
  switch (open.what) {
    case 'import':
      return <ImportDialog table={table} source={open.source} close={close} />;
    case 'export':
      return <ExportDialog table={table} close={close} />;
    case 'explain':
      return <ExplainDialog table={table} close={close} />;
    case 'access':
      return <AccessDialog table={table} close={close} />;
    default:
      return <BulkDialog table={table} what={open.what} scope={open.scope} close={close} />;
  }
}
