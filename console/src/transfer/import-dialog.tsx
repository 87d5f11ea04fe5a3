import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { FieldError } from '../parts/field-error.tsx';
import { Icon } from '../parts/icon.tsx';
import { describeError } from '../state/messages.ts';
import { formatCount, visible } from '../state/text.ts';
import type { TableController } from '../table/controller.ts';
import type { Progress } from './import.ts';
import { ImportForm } from './import-form.tsx';
import { type Result, startImport } from './import-run.ts';
import { readSource, type Source } from './source.ts';

interface Props {
  readonly table: TableController;
  /** Undefined to ask for a file. */
  readonly source: Source | undefined;
  close(): void;
}

const MAX_SHOWN_ERRORS = 100;
/** Brings records of a file or the clipboard into a table: what they are for, how they look, what has become of them. */
export function ImportDialog({ table, source: given, close }: Props): JSX.Element {
  const source = useSignal(given);
  const failure = useSignal<string | undefined>(undefined);
  const progress = useSignal<Progress | undefined>(undefined);
  const result = useSignal<Result | undefined>(undefined);
  const abort = useMemo(() => new AbortController(), []);
  useEffect(() => () => abort.abort(), [abort]);
  const read = async (file: File | undefined) => {
    if (file === undefined) return;
    failure.value = undefined;
    try {
      source.value = readSource(file.name, await file.text());
    } catch (error) {
      failure.value = describeError(error);
    }
  };
  return (
    <Dialog title={`Import into ${table.table.name}`} wide close={close}>
      <FieldError text={failure.value} />
      {source.value === undefined ? (
        <Choose close={close} read={(file) => void read(file)} />
      ) : result.value !== undefined ? (
        <Outcome result={result.value} close={close} />
      ) : progress.value !== undefined ? (
        <Running progress={progress.value} all={source.value.rows.length} stop={() => abort.abort()} />
      ) : (
        <ImportForm
          table={table}
          source={source.value}
          close={close}
          start={(job) => void startImport(table, job, { abort, progress, result, failure })}
        />
      )}
    </Dialog>
  );
}

function Choose({ close, read }: Readonly<{ close(): void; read(file: File | undefined): void }>): JSX.Element {
  return (
    <>
      <div class="dialog-body">
        <p>A file of CSV (the first row names the fields), NDJSON or JSON. It is shown before anything is sent.</p>
        <label class="field">
          <span>File</span>
          <input
            type="file"
            accept=".csv,.tsv,.ndjson,.jsonl,.json,text/csv,application/json"
            onChange={({ currentTarget: { files } }) => read(files?.[0])}
          />
        </label>
      </div>
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
      </footer>
    </>
  );
}

function Running({ progress, all, stop }: Readonly<{ progress: Progress; all: number; stop(): void }>): JSX.Element {
  return (
    <>
      <div class="dialog-body">
        <progress max={all} value={progress.done} aria-label="Records that were sent" />
        <p role="status">
          {formatCount(progress.done)} of {formatCount(all)}
          {progress.refused.length > 0 && `, ${formatCount(progress.refused.length)} refused`}
        </p>
      </div>
      <footer>
        <button type="button" onClick={stop}>
          Stop
        </button>
      </footer>
    </>
  );
}

function Outcome({ result, close }: Readonly<{ result: Result; close(): void }>): JSX.Element {
  const { written, refused, stopped, total, undo } = result;
  return (
    <>
      <div class="dialog-body" role="status">
        <p>
          <strong>{formatCount(written)}</strong> {written === 1 ? 'record' : 'records'} written
          {refused.length > 0 && (
            <>
              , <strong>{formatCount(refused.length)}</strong> refused
            </>
          )}
          .{total !== undefined && ` The table has ${formatCount(total)} now.`}
        </p>
        {stopped && <p>{stopped} The same import can be started again: what is written is not written twice.</p>}
        {refused.length > 0 && (
          <ul class="refused">
            {refused.slice(0, MAX_SHOWN_ERRORS).map(({ row, message }) => (
              <li key={row}>
                <span class="soft">row {row}</span> {visible(message)}
              </li>
            ))}
            {refused.length > MAX_SHOWN_ERRORS && <li>and {formatCount(refused.length - MAX_SHOWN_ERRORS)} more</li>}
          </ul>
        )}
      </div>
      <footer>
        {undo && (
          <button
            type="button"
            onClick={() => {
              close();
              undo();
            }}
          >
            <Icon name="rotate-ccw" /> Undo the import
          </button>
        )}
        <span class="spacer" />
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </footer>
    </>
  );
}
