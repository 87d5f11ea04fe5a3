import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { FieldError } from '../parts/field-error.tsx';
import { Icon } from '../parts/icon.tsx';
import { describeError, say } from '../state/messages.ts';
import { formatCount, visible } from '../state/text.ts';
import type { TableController } from '../table/controller.ts';
import { exportRecords, FORMATS, type Format, saveFile } from './export.ts';

interface Props {
  readonly table: TableController;
  close(): void;
}

/** Saves the records of the current query to a file. */
export function ExportDialog({ table, close }: Props): JSX.Element {
  const format = useSignal<Format>('csv');
  const isSafe = useSignal(false);
  const count = useSignal<number | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const abort = useMemo(() => new AbortController(), []);
  useEffect(() => () => abort.abort(), [abort]);
  const { app, query } = table;
  const { name } = table.table;
  const run = async () => {
    count.value = 0;
    failure.value = undefined;
    const job = { app, table: name, query, format: format.value, isSafe: isSafe.value };
    try {
      const blob = await exportRecords(job, abort.signal, (now) => {
        count.value = now;
      });
      saveFile(blob, `${name}.${format.value}`);
      say(`${formatCount(count.value)} records exported.`, 'good');
      close();
    } catch (error) {
      if (abort.signal.aborted) return;
      failure.value = describeError(error);
      count.value = undefined;
    }
  };
  const isBusy = count.value !== undefined;
  return (
    <Dialog title={`Export ${name}`} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <div class="dialog-body">
          <p class="soft">{query.search === '' ? 'All records.' : <code>{visible(query.search)}</code>}</p>
          <fieldset class="choices" disabled={isBusy}>
            <legend>Format</legend>
            {(Object.keys(FORMATS) as Format[]).map((it) => (
              <label class="check" key={it}>
                <input
                  type="radio"
                  name="format"
                  value={it}
                  checked={format.value === it}
                  onChange={() => (format.value = it)}
                />
                {it.toUpperCase()}
              </label>
            ))}
          </fieldset>
          {format.value === 'csv' && (
            <label class="check">
              <input
                type="checkbox"
                checked={isSafe.value}
                disabled={isBusy}
                onChange={({ currentTarget: { checked } }) => (isSafe.value = checked)}
              />
              Safe for spreadsheets: a ' before what would run as a formula
            </label>
          )}
          {isBusy && <p role="status">{formatCount(count.value ?? 0)} records read…</p>}
          <FieldError text={failure.value} />
        </div>
        <footer>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={isBusy}>
            <Icon name="download" /> Export
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
