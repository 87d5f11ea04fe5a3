import type { Transfer } from '../../boot/control/transfer.ts';
import type { ImportBatch, ImportRow, RefusedRow } from '../../resources/transfer/importer.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { countOf, ProgressLine } from './progress.ts';

/** Printed by an interrupted command. */
export const INTERRUPTED = 'Interrupted: run the same command again, and it continues where it stopped.';

/** Records of one transaction. */
const MAX_BATCH_RECORDS = 256;
/** Characters of the records of one transaction, roughly. */
const MAX_BATCH_CHARS = 4 * 1024 ** 2;

export interface LoadOptions extends Pick<ImportBatch, 'mode' | 'onError' | 'dryRun' | 'names'> {
  readonly table: TablePlan;
  /** Identification of the rows: the hash of their file, for example. */
  readonly key: string;
  /** Returns the part of the rows that `done` of them are, from 0 to 1; undefined where it is unknown. */
  readonly shareOf: (done: number) => number | undefined;
  /** Aborted when the command is interrupted. */
  readonly stop: AbortSignal;
}

export interface LoadResult {
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly refused: number;
  readonly stopped: boolean;
}

/** Writes rows in batches, and refused ones to stderr, a line of JSON each. */
export async function loadRows(
  transfer: Transfer,
  rows: AsyncIterable<ImportRow> | Iterable<ImportRow>,
  { table, key, shareOf, stop, ...options }: LoadOptions,
): Promise<LoadResult> {
  const progress = new ProgressLine(table.name);
  const result = { created: 0, updated: 0, unchanged: 0, refused: 0, stopped: false };
  let number = 0;
  let done = 0;
  const write = async (batch: readonly ImportRow[]): Promise<void> => {
    const outcome = await transfer.importBatch(table, { ...options, rows: batch, key: `${key}:${number++}` });
    result.created += outcome.created;
    result.updated += outcome.updated;
    result.unchanged += outcome.unchanged;
    result.refused += outcome.refused.length;
    result.stopped = outcome.stopped;
    done += batch.length;
    progress.update(done, shareOf(done));
    if (outcome.refused.length > 0) progress.end();
    for (const refused of outcome.refused) reportRefused(table, refused);
    stop.throwIfAborted();
  };
  try {
    let batch: ImportRow[] = [];
    let size = 0;
    for await (const row of rows) {
      batch.push(row);
      size += row.json.length;
      if (batch.length < MAX_BATCH_RECORDS && size < MAX_BATCH_CHARS) continue;
      await write(batch);
      if (result.stopped) return result;
      batch = [];
      size = 0;
    }
    if (batch.length > 0) await write(batch);
    return result;
  } finally {
    progress.end();
  }
}

function reportRefused({ name: table }: TablePlan, refused: RefusedRow): void {
  process.stderr.write(`${JSON.stringify({ table, ...refused })}\n`);
}

/** Returns what became of the rows as one sentence. */
export function describeLoad({ name }: TablePlan, result: LoadResult, dryRun: boolean): string {
  const { created, updated, unchanged, refused } = result;
  const parts = [`${created} created`, `${updated} updated`, `${unchanged} unchanged`];
  if (refused > 0) parts.push(`${refused} refused`);
  const all = countOf(created + updated + unchanged + refused);
  return `${name}: ${all}${dryRun ? ' checked, nothing written' : ''}: ${parts.join(', ')}`;
}
