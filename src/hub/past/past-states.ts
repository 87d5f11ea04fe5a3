import type { RelatedTest } from '../../query/index.ts';
import { thenOrNow } from '../../runtime/event-loop.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Awaitable, LogReader, RecordKey, RecordReader, RelatedReader } from '../../store/store.ts';
import type { ChangedRecord, ChangeView } from '../change-view.ts';
import { affectedByChange, type RelatedEffects } from '../dependencies/affected.ts';
import type { DependentPart } from '../dependencies/dependency.ts';
import { tablesOf } from '../dependencies/dependent-log.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import { LaterChanges } from '../dependencies/later-changes.ts';
import { RelatedHistory, type RelatedLimits } from '../dependencies/related-history.ts';

/** Condition of the records that a window or totals are made of. */
export interface RecordCondition {
  /** Present when it looks at other tables. */
  readonly dependent?: DependentPart | undefined;
  /** `test` decides on records of other tables. */
  has(record: ChangedRecord, test?: RelatedTest): boolean;
}

/** Store of the records, and of the log by which their past is found out. */
export interface PastStore {
  readonly store: RecordReader & RelatedReader & LogReader;
  readonly table: TablePlan;
  /** Absent for the defaults of config.yaml. */
  readonly relatedLimits?: RelatedLimits | undefined;
}

/** Record before and after something; undefined where there was none, or it did not meet the condition. */
export interface RecordStates {
  readonly before: ChangedRecord | undefined;
  readonly after: ChangedRecord | undefined;
}

/** Part of the log. */
export interface LogSpan {
  /** Position before the first change. */
  readonly from: number;
  /** Position of the last one; absent for all there are, and then the states after them are not read. */
  readonly to?: number;
  /** Maximum of changes of a table. */
  readonly maxChanges: number;
}

/**
 * Returns the records that the changes of a part of the log concern, also by related records, as they were before and after
 * them: what undoes the changes. Throws, or rejects with, WindowLostError when they are too many, or not in the log any more.
 */
export function statesBetween(
  from: PastStore,
  condition: RecordCondition,
  span: LogSpan,
): Awaitable<ReadonlyMap<RecordKey, RecordStates>> {
  const { store, table } = from;
  const { dependent } = condition;
  if (dependent !== undefined) return relatedStates(from, { condition, dependent }, span);
  const later = new LaterChanges(store, span.from, span.maxChanges);
  return thenOrNow(later.load(table), () => {
    if (span.from < store.resumeFloor(table)) throw new WindowLostError();
    const found = new Map<RecordKey, RecordStates>();
    const has = (record: ChangedRecord | undefined) => record !== undefined && condition.has(record);
    for (const [id, all] of later.of(table)) {
      const views = all.filter(({ change }) => change.seq <= (span.to ?? Number.POSITIVE_INFINITY));
      const [before, after] = [views[0]?.before, span.to === undefined ? undefined : views.at(-1)?.after];
      if (views.length > 0)
        found.set(id, { before: has(before) ? before : undefined, after: has(after) ? after : undefined });
    }
    return found;
  });
}

async function relatedStates(
  { store, table, relatedLimits }: PastStore,
  { condition, dependent }: { readonly condition: RecordCondition; readonly dependent: DependentPart },
  { from, to, maxChanges }: LogSpan,
): Promise<ReadonlyMap<RecordKey, RecordStates>> {
  const history = new RelatedHistory(store, from, relatedLimits);
  const tables = tablesOf(dependent);
  await history.refresh(tables);
  if (tables.some((one) => from < store.resumeFloor(one))) throw new WindowLostError();
  const upTo = to ?? Number.POSITIVE_INFINITY;
  const views = tables.flatMap((one) => history.changesOf(one)).filter(({ change }) => change.seq <= upTo);
  const ids = await history.run(() => {
    const concerned = new Set<RecordKey>();
    history.each(views, (view) => {
      for (const id of affectedByChange(history, dependent, view).keys()) concerned.add(id);
    });
    return concerned;
  });
  if (ids.size > maxChanges) throw new WindowLostError();
  const stateAt = (value: RecordKey, at: number) => {
    const [record] = history.recordsBy(table, table.primaryKey, { value, at });
    return record !== undefined && condition.has(record, history.testAt(table, at)) ? record : undefined;
  };
  return history.run(() => {
    const found = new Map<RecordKey, RecordStates>();
    history.each(ids, (id) => {
      found.set(id, { before: stateAt(id, from), after: to === undefined ? undefined : stateAt(id, to) });
    });
    return found;
  });
}

/** Change of one record, as far as it meets a condition before and after. */
export interface RecordChange extends RecordStates {
  readonly id: RecordKey;
}

/** Returns the changes of records by which a change of the log concerns a condition; `effects` has those by related records. */
export function recordChanges(
  { table }: Pick<PastStore, 'table'>,
  condition: RecordCondition,
  { view, effects }: { readonly view: ChangeView; readonly effects: RelatedEffects | undefined },
): Awaitable<readonly RecordChange[]> {
  const { id, seq } = view.change;
  if (effects === undefined) {
    const [before, after] = [view.before, view.after].map((one) => (one && condition.has(one) ? one : undefined));
    return id === null || (before === undefined && after === undefined) ? [] : [{ id, before, after }];
  }
  const { affected, history } = effects;
  return history.run(() => {
    const changes: RecordChange[] = [];
    const [was, is] = [history.testAt(table, seq - 1), history.testAt(table, seq)];
    history.each(affected, ([one, record]) => {
      const before = record.before && condition.has(record.before, was) ? record.before : undefined;
      const after = record.after && condition.has(record.after, is) ? record.after : undefined;
      if (before !== undefined || after !== undefined) changes.push({ id: one, before, after });
    });
    return changes;
  });
}
