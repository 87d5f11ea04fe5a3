import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Filter } from '../../query/index.ts';
import { parseBulkFilter } from '../../resources/bulk.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { StoreSnapshot } from '../../store/engine.ts';
import { loadEngine } from '../../store/index.ts';
import type { Invocation } from '../commands.ts';
import { CommandError, describeFailure } from '../failure.ts';
import { type Call, parseCall, UsageError } from '../options.ts';
import { exportTextOf } from './export-text.ts';
import { countOf, ProgressLine } from './progress.ts';
import { type ChosenApp, findTable, loadOnlyApp } from './project-app.ts';
import { FILE_FORMATS, type FileFormat, formatOf } from './rows.ts';

const OPTIONS = ['table', 'all', 'filter', 'format', 'out'] as const;
/** Records that are read at once. */
const MAX_PAGE_RECORDS = 1000;

interface ExportRequest {
  /** Undefined for all tables. */
  readonly table: string | undefined;
  readonly filter: string | undefined;
  readonly format: FileFormat;
  /** File, or folder for all tables; undefined for stdout. */
  readonly out: string | undefined;
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
      await writeAll(snapshot, request, chosen);
    } finally {
      await snapshot.close();
    }
    return 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return 1;
  }
}

function readRequest({ table, all, filter, format, out }: Call['values']): ExportRequest {
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
  };
}

async function writeAll(snapshot: StoreSnapshot, request: ExportRequest, { app, server }: ChosenApp): Promise<void> {
  const { table: name, filter: query, format, out } = request;
  if (name !== undefined) {
    const table = findTable(app.plan, name);
    const filter =
      query === undefined ? undefined : parseBulkFilter(query, { table, limits: server.limits, view: undefined });
    await writeTable(snapshot, { table, filter, format, out });
    return;
  }
  mkdirSync(out as string, { recursive: true });
  for (const table of app.plan.tables) {
    await writeTable(snapshot, {
      table,
      filter: undefined,
      format,
      out: join(out as string, `${table.name}.${format}`),
    });
  }
}

interface TableExport {
  readonly table: TablePlan;
  readonly filter: Filter | undefined;
  readonly format: FileFormat;
  readonly out: string | undefined;
}

async function writeTable(snapshot: StoreSnapshot, { table, filter, format, out }: TableExport): Promise<void> {
  const output = out === undefined ? new StandardOutput() : new OutputFile(out);
  const progress = new ProgressLine(table.name);
  const text = exportTextOf(table, format, { table: table.name, position: snapshot.position });
  const total = await snapshot.count(table, filter);
  let count = 0;
  try {
    await output.write(text.head);
    for (let after: Parameters<StoreSnapshot['page']>[1]['after']; ; ) {
      const page = await snapshot.page(table, { filter, after, limit: MAX_PAGE_RECORDS });
      const last = page.at(-1);
      if (last === undefined) break;
      await output.write(text.page(page));
      count += page.length;
      progress.update(count, total);
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
  process.stderr.write(`${table.name}: ${countOf(count)} at position ${snapshot.position}\n`);
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
