import { type Signal, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { Icon } from '../parts/icon.tsx';
import { ask } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { formatCount, visible } from '../state/text.ts';
import type { TableController } from '../table/controller.ts';
import { jobKey, type Mode, type Progress, runImport } from './import.ts';
import { Preview } from './preview.tsx';
import { mapColumns, type ReadyRow, type RowError, readSource, type Source, toRecord } from './source.ts';

interface Props {
  readonly table: TableController;
  /** Undefined to ask for a file. */
  readonly source: Source | undefined;
  close(): void;
}

interface Result extends Progress {
  /** Records of the table now, as the server counts them. */
  readonly total: number | undefined;
}

const SLICE = 5_000;
const MAX_SHOWN_ERRORS = 100;
const MODES: Readonly<Record<Mode, string>> = {
  create: 'create new records',
  upsert: 'create or replace',
  patch: 'change the given fields',
};

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
      {failure.value && (
        <p class="dialog-body field-error" role="alert">
          {visible(failure.value)}
        </p>
      )}
      {source.value === undefined ? (
        <Choose close={close} read={(file) => void read(file)} />
      ) : result.value !== undefined ? (
        <Outcome result={result.value} close={close} />
      ) : progress.value !== undefined ? (
        <Running progress={progress.value} all={source.value.rows.length} stop={() => abort.abort()} />
      ) : (
        <Form
          table={table}
          source={source.value}
          close={close}
          start={(job) => void start(table, job, { abort, progress, result, failure })}
        />
      )}
    </Dialog>
  );
}

interface Job {
  readonly mode: Mode;
  readonly skips: boolean;
  readonly mapping: ReturnType<typeof mapColumns>;
  readonly source: Source;
}

interface Run {
  readonly abort: AbortController;
  readonly progress: Signal<Progress | undefined>;
  readonly result: Signal<Result | undefined>;
  readonly failure: Signal<string | undefined>;
}

async function start(controller: TableController, job: Job, { abort, progress, result, failure }: Run): Promise<void> {
  const { app, table } = controller;
  progress.value = { done: 0, written: 0, refused: [] };
  try {
    const { ready, wrong } = await prepare(job);
    if (wrong.length > 0 && !job.skips) {
      result.value = { done: 0, written: 0, refused: wrong, stopped: 'Nothing was sent.', total: undefined };
      return;
    }
    const key = await jobKey(JSON.stringify([table.name, ready]));
    const end = await runImport(
      { app, table, mode: job.mode, skips: job.skips, rows: ready, key },
      abort.signal,
      (now) => {
        progress.value = now;
      },
    );
    const refused = [...wrong, ...end.refused].toSorted((a, b) => a.row - b.row);
    result.value = { ...end, refused, total: await count(app, table.name) };
  } catch (error) {
    failure.value = describeError(error);
    progress.value = undefined;
  }
}

/** Makes records of the rows, in slices, so that the page stays alive. */
async function prepare({ source, mapping }: Job): Promise<{ ready: ReadyRow[]; wrong: RowError[] }> {
  const ready: ReadyRow[] = [];
  const wrong: RowError[] = [];
  for (let at = 0; at < source.rows.length; at += SLICE) {
    for (const row of source.rows.slice(at, at + SLICE)) {
      const { record, error } = toRecord(row, mapping, source.isText);
      if (error === undefined) ready.push({ number: row.number, record });
      else wrong.push({ row: row.number, message: error });
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return { ready, wrong };
}

async function count(app: string, table: string): Promise<number | undefined> {
  try {
    const { headers } = await ask(app, `${encodeURIComponent(table)}?limit=1&count=true`);
    return Number(headers.get('x-total-count'));
  } catch {
    return undefined;
  }
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

interface FormProps {
  readonly table: TableController;
  readonly source: Source;
  close(): void;
  start(job: Job): void;
}

function Form({ table, source, close, start: run }: FormProps): JSX.Element {
  const mapping = useSignal(mapColumns(source, table.table));
  const mode = useSignal<Mode>('create');
  const skips = useSignal(false);
  const hasKey = mapping.value.some((field) => field?.name === table.table.key);
  const isReady = mapping.value.some((field) => field !== undefined) && (mode.value !== 'patch' || hasKey);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        run({ mode: mode.value, skips: skips.value, mapping: mapping.value, source });
      }}
    >
      <div class="dialog-body">
        <p>
          <strong>{formatCount(source.rows.length)}</strong> {source.rows.length === 1 ? 'record' : 'records'} in{' '}
          {visible(source.name)}
        </p>
        <div class="page-tools">
          <label class="inline">
            Mode
            <select value={mode.value} onChange={({ currentTarget: { value } }) => (mode.value = value as Mode)}>
              {Object.entries(MODES).map(([name, label]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={skips.value}
              onChange={({ currentTarget: { checked } }) => (skips.value = checked)}
            />
            Skip records that are refused
          </label>
        </div>
        {mode.value === 'patch' && !hasKey && <p class="field-error">A column has to be the key, {table.table.key}.</p>}
        <Preview table={table.table} source={source} mapping={mapping} />
      </div>
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="primary" disabled={!isReady || source.rows.length === 0}>
          <Icon name="upload" /> Import {formatCount(source.rows.length)}
        </button>
      </footer>
    </form>
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
  const { written, refused, stopped, total } = result;
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
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </footer>
    </>
  );
}
