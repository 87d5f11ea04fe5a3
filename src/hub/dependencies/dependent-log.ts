import type { TablePlan } from '../../schema/plan.ts';
import type { Change, LogReader, RecordKey, RelatedReader } from '../../store/store.ts';
import { ChangeView } from '../change-view.ts';
import type { Frame } from '../encode.ts';
import type { Selection } from '../selection.ts';
import { type AffectedRecords, affectedByChange, NO_RECORDS, type RelatedEffects } from './affected.ts';
import type { DependentPart } from './dependency.ts';
import { dependentFrames } from './dependent-frames.ts';
import { RelatedHistory, type RelatedLimits } from './related-history.ts';

interface LogPosition {
  /** Key of the one record that the subscription follows. */
  readonly id: RecordKey | undefined;
  readonly after: number;
  /** Entries of each table that are read at once. */
  readonly size: number;
}

/** Next changes of all tables that a subscription looks at. */
export interface DependentPage {
  readonly changes: readonly Change[];
  /** seq up to which every change is in `changes`. */
  readonly upTo: number;
}

export function tablesOf({ table, tables }: DependentPart): readonly TablePlan[] {
  return tables.includes(table) ? tables : [table, ...tables];
}

/** Reads the next changes, in order. */
export async function readDependentLog(
  log: LogReader,
  part: DependentPart,
  { id, after, size }: LogPosition,
): Promise<DependentPage> {
  let upTo = log.lastSeq;
  const found: Change[] = [];
  for (const table of tablesOf(part)) {
    if (log.lastTableSeq(table) <= after) continue;
    const isOnlyOwn = table === part.table && !part.tables.includes(table);
    const page = await log.readLog(table, after, size, isOnlyOwn ? id : undefined);
    found.push(...page);
    // The table may have more entries after the last one of a full page.
    const last = page.at(-1)?.seq;
    if (page.length === size && last !== undefined) upTo = Math.min(upTo, last);
  }
  const changes = found.filter(({ seq }) => seq <= upTo).sort((one, other) => one.seq - other.seq);
  return { changes, upTo };
}

/** Makes the frames of changes for one subscription that reads the log. */
export class LoggedFrames {
  readonly #selection: Selection;
  readonly #id: RecordKey | undefined;
  readonly #history: RelatedHistory;

  /** `from`: position before the first change. */
  constructor(
    selection: Selection,
    id: RecordKey | undefined,
    {
      store,
      from,
      limits,
    }: { readonly store: RelatedReader & LogReader; readonly from: number; readonly limits: RelatedLimits | undefined },
  ) {
    this.#selection = selection;
    this.#id = id;
    this.#history = new RelatedHistory(store, from, limits);
  }

  /** `whole`: the subscriber does not have the records yet. Throws TooMuchRelatedError. */
  of(change: Change, whole: boolean): Promise<readonly Frame[]> {
    const view = new ChangeView(change);
    return this.#history.run(() => {
      const affected = this.#affected(view);
      const isMessage = change.op === 'publish' && change.table === this.#selection.dependent?.table;
      if (affected.size === 0 && !isMessage) return [];
      return dependentFrames(this.#selection, { view, affected, whole }, this.#history);
    });
  }

  /** Returns the effects of a change on the records of the table. Rejects with TooMuchRelatedError. */
  async effectsOf(view: ChangeView): Promise<RelatedEffects> {
    const history = this.#history;
    return { history, affected: await history.run(() => this.#affected(view)) };
  }

  #affected(view: ChangeView): AffectedRecords {
    const { dependent: part } = this.#selection;
    const affected = part === undefined ? NO_RECORDS : affectedByChange(this.#history, part, view);
    const id = this.#id;
    if (id === undefined) return affected;
    const record = affected.get(id);
    return record === undefined ? NO_RECORDS : new Map([[id, record]]);
  }
}
