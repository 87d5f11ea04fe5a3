import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Filter } from '../../query/index.ts';
import { parseBulkFilter } from '../../resources/bulk.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { SnapshotPage, StoreSnapshot } from '../../store/engine.ts';
import { loadEngine } from '../../store/index.ts';
import type { Invocation } from '../commands.ts';
import { CommandError, describeFailure } from '../failure.ts';
import { type Call, parseCall, UsageError } from '../options.ts';
import { exportTextOf } from './export-text.ts';
import { exitCodeOf, interruptible } from './interruption.ts';
import { PastSnapshot, type RecordPages } from './past-snapshot.ts';
import { countOf, ProgressLine } from './progress.ts';
import { type ChosenApp, findTable, loadOnlyApp } from './project-app.ts';
import { FILE_FORMATS, type FileFormat, formatOf } from './rows.ts';

const OPTIONS = ['table', 'all', 'filter', 'format', 'out', 'at'] as const;
/** Records that are read at once. */
const MAX_PAGE_RECORDS = 1000;

interface ExportRequest {
  /** Undefined for all tables. */
  readonly table: string | undefined;
  readonly filter: string | undefined;
  readonly format: FileFormat;
  /** File, or folder for all tables; undefined for stdout. */
  readonly out: string | undefined;
  /** Position; undefined for the newest one. */
  readonly at: number | undefined;
}

interface RunningExport extends ExportRequest {
  /** Aborted when the command is interrupted. */
  readonly stop: AbortSignal;
}

/** `tablecast export`: writes records as they are at one position, while the server runs or not. */
export async function exportRecords({ args, env }: Invocation): Promise<number> {
  const { dir, values } = parseCall(args, { options: OPTIONS });
  const request = readRequest(values);
  try {
    const chosen = loadOnlyApp(dir, env);
    const engine = await loadEngine(chosen.app.config);
    const snapshot = await engine.openSnapshot(chosen.app.plan, { dir: chosen.app.config.dataDir });
    if (snapshot === undefined) throw new CommandError(`${chosen.app.config.appId} has no records yet.`);
    try {
      await interruptible('Interrupted: the file was not written.', (stop) =>
        writeAll(snapshot, { ...request, stop }, chosen),
      );
    } finally {
      await snapshot.close();
    }
    return 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return exitCodeOf(error, 1);
  }
}

function readRequest({ table, all, filter, format, out, at }: Call['values']): ExportRequest {
  if ((table === undefined) === (all !== true)) throw new UsageError('export needs --table <name> or --all');
  if (all === true && out === undefined) throw new UsageError('--all needs --out <folder>: a file for each table');
  if (all === true && filter !== undefined)
    throw new UsageError('--filter needs --table: it is about fields of one table');
  const chosen = format ?? (typeof out === 'string' ? formatOf(out) : undefined) ?? 'ndjson';
  if (!FILE_FORMATS.some((known) => known === chosen)) {
    throw new UsageError(`--format "${String(format)}" is not one of ${FILE_FORMATS.join(', ')}`);
  }
  return {
    table: table as string | undefined,
    filter: filter as string | undefined,
    format: chosen as FileFormat,
    out: out as string | undefined,
    at: at === undefined ? undefined : readPosition(at as string),
  };
}

function readPosition(text: string): number {
  const position = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(position)) return position;
  throw new UsageError(
    `--at "${text}" is not a position: an export and every change has one, such as 1764504000000000`,
  );
}

async function writeAll(snapshot: StoreSnapshot, request: RunningExport, { app, server }: ChosenApp): Promise<void> {
  const { table: name, filter: query, format, out, at, stop } = request;
  const past = at === undefined ? undefined : new PastSnapshot(snapshot, at);
  if (name !== undefined) {
    const table = findTable(app.plan, name);
    const filter =
      query === undefined ? undefined : parseBulkFilter(query, { table, limits: server.limits, view: undefined });
    await writeTable({ snapshot, past }, { table, filter, format, out, stop });
    return;
  }
  mkdirSync(out as string, { recursive: true });
  for (const table of app.plan.tables) {
    await writeTable(
      { snapshot, past },
      {
        table,
        filter: undefined,
        format,
        out: join(out as string, `${table.name}.${format}`),
        stop,
      },
    );
  }
}

interface TableExport {
  readonly table: TablePlan;
  readonly filter: Filter | undefined;
  readonly format: FileFormat;
  readonly out: string | undefined;
  readonly stop: AbortSignal;
}

interface ExportSource {
  readonly snapshot: StoreSnapshot;
  /** Undefined for the newest position. */
  readonly past: PastSnapshot | undefined;
}

/** The records of a table to export, page by page. */
async function readTable({ snapshot, past }: ExportSource, { table, filter }: TableExport): Promise<RecordPages> {
  if (past !== undefined) return past.table(table, filter);
  return { count: () => snapshot.count(table, filter), page: (page) => snapshot.page(table, { filter, ...page }) };
}

async function writeTable(source: ExportSource, request: TableExport): Promise<void> {
  const { table, format, out, stop } = request;
  const { position } = source.past ?? source.snapshot;
  const records = await readTable(source, request);
  const output = out === undefined ? new StandardOutput() : new OutputFile(out);
  const progress = new ProgressLine(table.name);
  const fields = source.past === undefined ? table.fields : table.fields.filter(({ hidden }) => !hidden);
  const text = exportTextOf(fields, format, { table: table.name, position });
  const total = await records.count();
  let count = 0;
  try {
    await output.write(text.head);
    for (let after: SnapshotPage['after']; ; ) {
      const page = await records.page({ after, limit: MAX_PAGE_RECORDS });
      const last = page.at(-1);
      if (last === undefined) break;
      await output.write(text.page(page));
      count += page.length;
      progress.update(count, count / total);
      // Between two pages a signal is delivered.
      await nextTurn();
      stop.throwIfAborted();
      after = last.id;
    }
    await output.write(text.end);
    output.finish();
  } catch (error) {
    output.discard();
    throw error;
  } finally {
    progress.end();
  }
  process.stderr.write(`${table.name}: ${countOf(count)} at position ${position}\n`);
}

class StandardOutput {
  async write(text: string): Promise<void> {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  }

  finish(): void {}

  discard(): void {}
}

/** File that has its name only when it is whole. */
class OutputFile {
  readonly #file: string;
  readonly #partial: string;
  readonly #descriptor: number;

  constructor(file: string) {
    this.#file = file;
    this.#partial = `${file}.${process.pid}.part`;
    this.#descriptor = openSync(this.#partial, 'w', 0o600);
  }

  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
  }

  finish(): void {
    closeSync(this.#descriptor);
    renameSync(this.#partial, this.#file);
  }

  discard(): void {
    closeSync(this.#descriptor);
    rmSync(this.#partial, { force: true });
  }
}
