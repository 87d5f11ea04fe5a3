import type { Rec } from '../grid/segment.ts';
import { ask, TablecastError } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import type { Table } from '../state/schema.ts';
import type { ReadyRow, RowError } from './source.ts';

export type Mode = 'create' | 'upsert' | 'patch';

export interface ImportJob {
  readonly app: string;
  readonly table: Table;
  readonly mode: Mode;
  /** Goes on behind a record that is refused. */
  readonly skips: boolean;
  readonly rows: readonly ReadyRow[];
  /** Same for the same records: a job that was cut off and runs again writes nothing twice. */
  readonly key: string;
}

export interface Progress {
  /** Rows that were sent and answered. */
  done: number;
  written: number;
  readonly refused: RowError[];
  /** Position of a change of each request. */
  readonly positions: number[];
  /** Why the job has ended before its end. */
  stopped?: string;
}

/** Records of one request: fewer than `limits.batch` and `limits.transaction` allow. */
const BATCH = 500;
/** Characters of one request; in UTF-8 it stays below `limits.body`. */
const BATCH_CHARS = 300_000;
const MAX_REFUSED = 1_000;
const MAX_TRIES = 30;
const RETRY_MS = 2_000;

interface Transaction {
  readonly results: readonly { readonly seq: number; readonly changed: boolean }[];
}

/** Rows from the first index to before the second. */
type Range = readonly [begin: number, end: number];

/** Makes the key of a job. */
export async function jobKey(text: string): Promise<string> {
  // Without a secure context a browser has no digest; then the key holds for this run alone.
  if (crypto.subtle === undefined) return crypto.getRandomValues(new Uint32Array(4)).join('');
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return [...new Uint8Array(digest).slice(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Sends the rows in batches, each whole or not at all, and tells the progress after each. */
export async function runImport(job: ImportJob, signal: AbortSignal, tell: (now: Progress) => void): Promise<Progress> {
  const progress: Progress = { done: 0, written: 0, refused: [], positions: [] };
  for (const [begin, end] of batchesOf(job.rows)) {
    if (signal.aborted) progress.stopped = 'You have stopped it.';
    if (progress.stopped !== undefined) break;
    await sendRange(job, [begin, end], progress, signal);
    tell({ ...progress });
  }
  return progress;
}

function* batchesOf(rows: readonly ReadyRow[]): Generator<Range> {
  let begin = 0;
  let chars = 0;
  for (const [index, { record }] of rows.entries()) {
    const size = JSON.stringify(record).length;
    if (index > begin && (index - begin === BATCH || chars + size > BATCH_CHARS)) {
      yield [begin, index];
      begin = index;
      chars = 0;
    }
    chars += size;
  }
  if (begin < rows.length) yield [begin, rows.length];
}

/** Sends some rows. Where they are refused, halves are sent, until the row that is wrong is alone. */
async function sendRange(job: ImportJob, range: Range, progress: Progress, signal: AbortSignal): Promise<void> {
  const [begin, end] = range;
  if (progress.stopped !== undefined) return;
  const sent = await sendPatiently(job, range, signal);
  if (!(sent instanceof TablecastError)) {
    progress.written += end - begin;
    progress.done += end - begin;
    if (sent !== undefined) progress.positions.push(sent);
    return;
  }
  const error = sent;
  const isAboutRecords = error.status >= 400 && error.status < 500 && ![401, 403, 429].includes(error.status);
  if (!isAboutRecords) {
    progress.stopped = signal.aborted ? 'You have stopped it.' : describeError(error);
  } else if (end - begin > 1) {
    const middle = (begin + end) >> 1;
    await sendRange(job, [begin, middle], progress, signal);
    await sendRange(job, [middle, end], progress, signal);
  } else {
    progress.done++;
    progress.refused.push({ row: job.rows[begin]?.number ?? 0, message: describeError(error) });
    if (!job.skips) progress.stopped = 'A record was refused.';
    else if (progress.refused.length >= MAX_REFUSED) progress.stopped = `${MAX_REFUSED} records were refused.`;
  }
}

/** Sends rows again while the server is away or busy. Returns the position of a change, or the error that stays. */
async function sendPatiently(
  job: ImportJob,
  range: Range,
  signal: AbortSignal,
): Promise<number | undefined | TablecastError> {
  for (let tries = 1; ; tries++) {
    try {
      return await send(job, range, signal);
    } catch (thrown) {
      const error = thrown as TablecastError;
      const isPassing = error.code === 'NETWORK' || error.status === 429 || error.status >= 502;
      if (!isPassing || signal.aborted || tries === MAX_TRIES) return error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfter ?? RETRY_MS));
    }
  }
}

/** Sends rows in one request. Returns the position of one of its changes; undefined where nothing is different now. */
async function send(
  { app, table, mode, rows, key }: ImportJob,
  [begin, end]: Range,
  signal: AbortSignal,
): Promise<number | undefined> {
  const records = rows.slice(begin, end).map(({ record }) => record);
  const headers = { 'idempotency-key': `"${key}-${mode}-${begin}-${end}"` };
  if (mode === 'create') {
    const answer = await ask(app, encodeURIComponent(table.name), { method: 'POST', body: records, headers, signal });
    return Number(answer.headers.get('x-position'));
  }
  const steps = records.map((record) => stepOf(table, mode, record));
  const { data } = await ask<Transaction>(app, '_/transaction', { method: 'POST', body: { steps }, headers, signal });
  return data.results.findLast(({ changed }) => changed)?.seq;
}

function stepOf({ name, key }: Table, mode: 'upsert' | 'patch', record: Rec): object {
  const { [key]: id, ...data } = record;
  if (mode === 'patch') return { op: 'patch', table: name, id: id ?? '', data };
  return id === undefined ? { op: 'create', table: name, data } : { op: 'put', table: name, id, data };
}
