import type { Signal } from '@preact/signals';
import { rememberMany } from '../edits/undo.ts';
import { ask } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import type { TableController } from '../table/controller.ts';
import { jobKey, type Mode, type Progress, runImport } from './import.ts';
import { type mapColumns, type ReadyRow, type RowError, type Source, toRecord } from './source.ts';

/** Rows of a source that are made records of in one go; the page draws between two of them. */
const SLICE = 5_000;

export interface Result extends Progress {
  /** Records of the table now, as the server counts them. */
  readonly total: number | undefined;
  /** Takes the import back, where that can be done. */
  readonly undo: (() => void) | undefined;
}

export interface Job {
  readonly mode: Mode;
  readonly skips: boolean;
  readonly mapping: ReturnType<typeof mapColumns>;
  readonly source: Source;
}

/** What the dialog shows of a run. */
export interface Run {
  readonly abort: AbortController;
  readonly progress: Signal<Progress | undefined>;
  readonly result: Signal<Result | undefined>;
  readonly failure: Signal<string | undefined>;
}

/** Imports the rows of a job, and counts what the table has then. */
export async function startImport(
  controller: TableController,
  job: Job,
  { abort, progress, result, failure }: Run,
): Promise<void> {
  const { app, table } = controller;
  progress.value = { done: 0, written: 0, refused: [], positions: [] };
  try {
    const { ready, wrong } = await prepare(job);
    if (wrong.length > 0 && !job.skips) {
      const nothing = { done: 0, written: 0, positions: [], total: undefined, undo: undefined };
      result.value = { ...nothing, refused: wrong, stopped: 'Nothing was sent.' };
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
    const undo = rememberMany(app, table.name, end.positions)?.run;
    result.value = { ...end, refused, undo, total: await count(app, table.name) };
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
