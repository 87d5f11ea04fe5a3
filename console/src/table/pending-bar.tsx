import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { type Draft, discardAll, discardField, draftsOf } from '../edits/drafts.ts';
import { saveAll, saving } from '../edits/save.ts';
import { undo } from '../edits/undo.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Icon } from '../parts/icon.tsx';
import { say } from '../state/messages.ts';
import { cellText, visible } from '../state/text.ts';
import { canWrite } from '../state/view.ts';
import type { TableController } from './controller.ts';

/** Saves what waits in a table, and says so. */
export async function saveTable(app: string, table: string): Promise<void> {
  const drafts = [...draftsOf(app, table).peek().values()];
  if (drafts.length === 0) return;
  const saved = await saveAll(app, table, drafts);
  const action = { label: 'Undo', run: () => void undo() };
  if (saved > 0) say(saved === 1 ? 'Saved.' : `${saved} records saved.`, 'good', action);
}

/** Changes that are not saved: how many, what they are, and what becomes of them. */
export function PendingBar({ table }: { readonly table: TableController }): JSX.Element | null {
  const isReviewing = useSignal(false);
  const { app } = table;
  const { name } = table.table;
  const drafts = [...draftsOf(app, name).value.values()];
  if (drafts.length === 0 || !canWrite.value) return null;
  const count = drafts.reduce((sum, draft) => sum + Object.keys(draft.changes).length, 0);
  return (
    <section class="pending-bar" aria-label="Changes that are not saved">
      <span>
        <strong>{count === 1 ? '1 change' : `${count} changes`}</strong> in{' '}
        {drafts.length === 1 ? '1 record' : `${drafts.length} records`}
      </span>
      <span class="spacer" />
      <button type="button" onClick={() => discardAll(app, name)}>
        Discard
      </button>
      <button
        type="button"
        onClick={() => {
          isReviewing.value = true;
        }}
      >
        Review
      </button>
      <button type="button" class="primary" disabled={saving.value} onClick={() => void saveTable(app, name)}>
        <Icon name="save" /> Save <kbd>Ctrl S</kbd>
      </button>
      {isReviewing.value && (
        <Review
          table={table}
          drafts={drafts}
          close={() => {
            isReviewing.value = false;
          }}
        />
      )}
    </section>
  );
}

interface ReviewProps {
  readonly table: TableController;
  readonly drafts: readonly Draft[];
  close(): void;
}

function Review({ table, drafts, close }: ReviewProps): JSX.Element {
  const { app } = table;
  const { name } = table.table;
  return (
    <Dialog title="Changes that are not saved" wide close={close}>
      <div class="dialog-body">
        {drafts.map((draft) => (
          <table class="changes" key={draft.id}>
            <caption>{visible(String(draft.id))}</caption>
            <tbody>
              {Object.entries(draft.changes).map(([field, value]) => (
                <tr key={field}>
                  <th scope="row">{visible(field)}</th>
                  <td class="before">{cellText(draft.base[field]) || 'null'}</td>
                  <td class="after">
                    {cellText(value) || (value === null ? 'null' : 'empty')}
                    {draft.errors?.[field] && <p class="field-error">{visible(draft.errors[field])}</p>}
                  </td>
                  <td>
                    <button
                      type="button"
                      class="quiet"
                      aria-label={`Discard the change of ${field}`}
                      onClick={() => discardField(app, name, draft.id, field)}
                    >
                      <Icon name="undo-2" />
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        ))}
      </div>
      <footer>
        <button type="button" onClick={close}>
          Back
        </button>
        <button
          type="button"
          class="primary"
          onClick={() => {
            close();
            void saveTable(app, name);
          }}
        >
          Save
        </button>
      </footer>
    </Dialog>
  );
}
