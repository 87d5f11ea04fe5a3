import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { removeRows } from '../edits/remove.ts';
import { undo } from '../edits/undo.ts';
import { Dialog } from '../parts/dialog.tsx';
import { say, sayError } from '../state/messages.ts';
import { visible } from '../state/text.ts';
import type { TableController } from './controller.ts';

/** Asks before records are deleted; for more than one, their number has to be typed. */
export function DeleteDialog({ table }: { readonly table: TableController }): JSX.Element {
  const typed = useSignal('');
  const isBusy = useSignal(false);
  const rows = [...table.selection.value.values()];
  const isMany = rows.length > 1;
  const hasHidden = table.table.fields.some(({ hidden }) => hidden);
  const close = () => {
    table.isDeleting.value = false;
  };
  const remove = async () => {
    isBusy.value = true;
    try {
      const removed = await removeRows(table.app, table.table, rows);
      const action = { label: 'Undo', run: () => void undo() };
      say(removed === 1 ? '1 record deleted.' : `${removed} records deleted.`, 'good', action);
      table.select(new Map());
    } catch (error) {
      sayError(error);
    }
    close();
  };
  return (
    <Dialog title={isMany ? `Delete ${rows.length} records` : 'Delete this record'} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isMany || typed.value === String(rows.length)) void remove();
        }}
      >
        <div class="dialog-body">
          <p class="keys">
            {rows
              .slice(0, 8)
              .map(({ id }) => visible(String(id)))
              .join(', ')}
            {rows.length > 8 && ` and ${rows.length - 8} more`}
          </p>
          {hasHidden && <p>Undo brings them back without the values of hidden fields.</p>}
          {isMany && (
            <label class="field">
              <span>Type {rows.length} to go on</span>
              <input
                type="text"
                inputMode="numeric"
                autocomplete="off"
                value={typed.value}
                onInput={(event) => {
                  typed.value = event.currentTarget.value;
                }}
              />
            </label>
          )}
        </div>
        <footer>
          <button type="button" onClick={close}>
            Keep
          </button>
          <button
            type="submit"
            class="danger"
            disabled={isBusy.value || (isMany && typed.value !== String(rows.length))}
          >
            Delete
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
