import type { JSX } from 'preact';
import { removeRows } from '../edits/remove.ts';
import { undo } from '../edits/undo.ts';
import { ConfirmDialog } from '../parts/confirm-dialog.tsx';
import { say } from '../state/messages.ts';
import { visible } from '../state/text.ts';
import type { TableController } from './controller.ts';

const MAX_NAMED = 8;

/** Asks before the selected records are deleted. */
export function DeleteDialog({ table }: { readonly table: TableController }): JSX.Element {
  const rows = [...table.selection.value.values()];
  const isMany = rows.length > 1;
  const hasHidden = table.table.fields.some(({ hidden }) => hidden);
  const remove = async () => {
    const removed = await removeRows(table.app, table.table, rows);
    const action = { label: 'Undo', run: () => void undo() };
    say(removed === 1 ? '1 record deleted.' : `${removed} records deleted.`, 'good', action);
    table.select(new Map());
  };
  return (
    <ConfirmDialog
      title={isMany ? `Delete ${rows.length} records` : 'Delete this record'}
      verb="Delete"
      isDanger
      count={rows.length}
      run={remove}
      close={() => {
        table.isDeleting.value = false;
      }}
    >
      <p class="keys">
        {rows
          .slice(0, MAX_NAMED)
          .map(({ id }) => visible(String(id)))
          .join(', ')}
        {rows.length > MAX_NAMED && ` and ${rows.length - MAX_NAMED} more`}
      </p>
      {hasHidden && <p>Undo brings them back without the values of hidden fields.</p>}
    </ConfirmDialog>
  );
}
