import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { type Comparison, compareWith, restore } from '../edits/restore.ts';
import { undo } from '../edits/undo.ts';
import type { Id } from '../grid/segment.ts';
import { Dialog } from '../parts/dialog.tsx';
import { FieldError } from '../parts/field-error.tsx';
import { Icon } from '../parts/icon.tsx';
import type { TablecastError } from '../state/http.ts';
import { describeError, say } from '../state/messages.ts';
import type { Table } from '../state/schema.ts';
import { cellText, formatTime, timeOfSeq, visible } from '../state/text.ts';

interface Props {
  readonly app: string;
  readonly table: Table;
  readonly id: Id;
  readonly seq: number;
  close(): void;
}

/** Shows what a record was at a position beside what it is, and brings that back. */
export function RestoreDialog({ app, table, id, seq, close }: Props): JSX.Element {
  const compared = useSignal<Comparison | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const isBusy = useSignal(false);
  const read = async () => {
    try {
      compared.value = await compareWith(app, table, id, seq);
    } catch (error) {
      failure.value = describeError(error);
    }
  };
  useEffect(() => void read(), []);
  const run = async (comparison: Comparison) => {
    isBusy.value = true;
    try {
      await restore(app, table, comparison);
      say(`${table.name} ${id} is as it was.`, 'good', { label: 'Undo', run: () => void undo() });
      close();
    } catch (error) {
      const { code } = error as TablecastError;
      failure.value =
        code === 'PRECONDITION_FAILED' ? 'It has been changed meanwhile: compare again.' : describeError(error);
      if (code === 'PRECONDITION_FAILED') await read();
    }
    isBusy.value = false;
  };
  const found = compared.value;
  const canRestore = found?.then !== undefined && (found.now === undefined || found.fields.length > 0);
  return (
    <Dialog title={`${table.name} ${visible(String(id))} at ${formatTime(timeOfSeq(seq))}`} wide close={close}>
      <div class="dialog-body">
        <FieldError text={failure.value} />
        {found && <Differences found={found} />}
      </div>
      <footer>
        <button type="button" onClick={close}>
          Leave as it is
        </button>
        <button
          type="button"
          class="primary"
          disabled={!canRestore || isBusy.value}
          onClick={() => found && void run(found)}
        >
          <Icon name="rotate-ccw" /> Restore
        </button>
      </footer>
    </Dialog>
  );
}

function Differences({ found }: { readonly found: Comparison }): JSX.Element {
  const { now, then, fields } = found;
  if (then === undefined) return <p>It was not there at that time.</p>;
  if (now !== undefined && fields.length === 0) return <p>It is the same now.</p>;
  return (
    <>
      {now === undefined && <p>It is deleted now, and would be created again.</p>}
      <table class="changes">
        <thead>
          <tr>
            <th scope="col">field</th>
            <th scope="col">now</th>
            <th scope="col">then</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((name) => (
            <tr key={name}>
              <th scope="row">{visible(name)}</th>
              <td class="before">{now === undefined ? '–' : cellText(now[name]) || 'null'}</td>
              <td class="after">{cellText(then[name]) || 'null'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
