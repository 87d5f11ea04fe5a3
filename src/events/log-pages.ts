import type { TablePlan } from '../schema/plan.ts';
import type { Change, LogReader } from '../store/store.ts';

/** Changes of one table that are read at once. */
const MAX_PAGE_CHANGES = 500;

export interface ChangesPage {
  /** In seq order. */
  readonly changes: readonly Change[];
  /** seq up to which every change is in `changes`, or was before `after`. */
  readonly upTo: number;
}

/** Reads the next changes of all tables after a position. Changes that are committed meanwhile are left for the next page. */
export async function readChanges(log: LogReader, tables: readonly TablePlan[], after: number): Promise<ChangesPage> {
  let upTo = log.lastSeq;
  const found: Change[] = [];
  for (const table of tables) {
    if (log.lastTableSeq(table) <= after) continue;
    const page = await log.readLog(table, after, MAX_PAGE_CHANGES);
    found.push(...page);
    // The table may have more entries after the last one of a full page.
    const last = page.at(-1)?.seq;
    if (page.length === MAX_PAGE_CHANGES && last !== undefined) upTo = Math.min(upTo, last);
  }
  const changes = found.filter(({ seq }) => seq <= upTo).sort((one, other) => one.seq - other.seq);
  return { changes, upTo };
}
