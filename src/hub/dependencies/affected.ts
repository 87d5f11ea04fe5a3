import type { RelationPlan, TablePlan } from '../../schema/plan.ts';
import type { RecordKey } from '../../store/store.ts';
import type { ChangedRecord, ChangeView } from '../change-view.ts';
import { type DependentPart, isConcerned, lastOf } from './dependency.ts';
import { keysOf, TooMuchRelatedError } from './keys.ts';
import type { RelatedHistory } from './related-history.ts';

/** A record before and after a change that concerns it, perhaps only by a related record. */
export interface AffectedRecord {
  readonly before: ChangedRecord | undefined;
  readonly after: ChangedRecord | undefined;
}

export type AffectedRecords = ReadonlyMap<RecordKey, AffectedRecord>;

/** Records of other tables, of a change that concerns its own record alone. */
export const NO_RECORDS: AffectedRecords = new Map();

/** Effects of a change on the table of a subscription that looks at other tables. */
export interface RelatedEffects {
  readonly affected: AffectedRecords;
  readonly history: RelatedHistory;
}

/** Returns the records of the part's table that a change concerns, by themselves or by a related one. Throws TooMuchRelatedError. */
export function affectedByChange(history: RelatedHistory, part: DependentPart, view: ChangeView): AffectedRecords {
  const { change } = view;
  const affected = new Map<RecordKey, AffectedRecord>();
  if (change.op === 'publish') return affected;
  const concerning = part.dependencies.filter(
    (dependency) => lastOf(dependency.path).target === change.table && isConcerned(dependency, view),
  );
  history.each(concerning, ({ path }) => {
    for (const [id, record] of affectedRecords(history, part.table, path, view)) affected.set(id, record);
  });
  if (change.table === part.table && change.id !== null)
    affected.set(change.id, { before: view.before, after: view.after });
  return affected;
}

/**
 * Returns the records of `table` from which the path led to the changed record, before or after the change. Throws
 * TooMuchRelatedError when they are too many.
 */
export function affectedRecords(
  history: RelatedHistory,
  table: TablePlan,
  path: readonly RelationPlan[],
  view: ChangeView,
): AffectedRecords {
  const { seq, id: changed } = view.change;
  const affected = new Map<RecordKey, AffectedRecord>();
  const add = (end: ChangedRecord | undefined, at: number) => {
    for (const record of end === undefined ? [] : startsOf(history, { table, path, end, at })) {
      const id = record[table.primaryKey.name] as RecordKey;
      // The record itself is the changed one where a table is related to itself.
      const isChanged = view.change.table === table && id === changed;
      affected.set(id, isChanged ? { before: view.before, after: view.after } : { before: record, after: record });
    }
  };
  history.each([-1, 0], (offset) => add(offset < 0 ? view.before : view.after, seq + offset));
  if (affected.size > history.limits.relatedAffected) throw new TooMuchRelatedError();
  return affected;
}

interface PathEnd {
  readonly table: TablePlan;
  readonly path: readonly RelationPlan[];
  readonly end: ChangedRecord;
  readonly at: number;
}

/** Returns the records from which the path leads to `end` at a position. */
function startsOf(history: RelatedHistory, { table, path, end, at }: PathEnd): Iterable<ChangedRecord> {
  let records: ReadonlyMap<unknown, ChangedRecord> = new Map([[0, end]]);
  for (let step = path.length - 1; step >= 0; step--) {
    const { from, to, target } = path[step] as RelationPlan;
    const owner = step === 0 ? table : (path[step - 1] as RelationPlan).target;
    const found = new Map<unknown, ChangedRecord>();
    history.each(records.values(), (record) => {
      const values = keysOf(record[from === undefined ? (to?.name ?? '') : target.primaryKey.name]);
      history.each(values, (value) => {
        for (const one of history.recordsBy(owner, from ?? owner.primaryKey, { value, at }))
          found.set(one[owner.primaryKey.name], one);
      });
    });
    if (found.size > history.limits.relatedAffected) throw new TooMuchRelatedError();
    records = found;
  }
  return records.values();
}
