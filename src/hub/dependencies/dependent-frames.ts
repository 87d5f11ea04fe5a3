import type { ChangedRecord, ChangeView } from '../change-view.ts';
import { type Frame, makeFrame } from '../encode.ts';
import { isIn, leaveFilter, makeDelta, type Selection, selectMessage } from '../selection.ts';
import type { AffectedRecord, AffectedRecords } from './affected.ts';
import type { RelatedHistory } from './related-history.ts';
import { compareKeys, shownFields, shownJson } from './shown.ts';

/** Change, with the records of the subscription's table that it concerns. */
export interface DependentChange {
  readonly view: ChangeView;
  readonly affected: AffectedRecords;
  /** True for a subscriber that does not have the records yet: changed fields alone would not be enough. */
  readonly whole?: boolean;
}

/** Frames of a change for a selection that looks at other tables: one for each record that comes, goes or looks different. */
export function dependentFrames(
  selection: Selection,
  { view, affected, whole = false }: DependentChange,
  history: RelatedHistory,
): readonly Frame[] {
  const { dependent } = selection;
  const { change } = view;
  if (dependent === undefined) return [];
  const isOwn = change.table === dependent.table;
  if (isOwn && change.op === 'publish') {
    const frame = selectMessage(selection, view, history.testAt(dependent.table, change.seq));
    return frame === undefined ? [] : [frame];
  }
  const frames: Frame[] = [];
  const inOrder = affected.size < 2 ? affected : [...affected].sort(([one], [other]) => compareKeys(one, other));
  history.each(inOrder, ([id, record]) => {
    const isChanged = isOwn && id === change.id;
    const frame = isChanged
      ? frameOfOwn(selection, { view, record, whole }, history)
      : frameOfRelated(selection, { view, record, id }, history);
    if (frame !== undefined) frames.push(frame);
  });
  return frames;
}

/** Change of the record itself. `whole`: the subscriber does not have it yet. */
export interface OwnChange {
  readonly view: ChangeView;
  readonly record: AffectedRecord;
  readonly whole: boolean;
}

/** Frame of the record that was changed itself. */
export function frameOfOwn(
  selection: Selection,
  { view, record, whole }: OwnChange,
  history: RelatedHistory,
): Frame | undefined {
  const { change } = view;
  const { seq } = change;
  const { before, after } = record;
  const wasIn = isInAt(selection, before, { history, at: seq - 1 });
  if (after === undefined || !isInAt(selection, after, { history, at: seq })) {
    if (!wasIn) return undefined;
    return change.op === 'delete' ? makeFrame(change) : leaveFilter(change, change.id);
  }
  if (selection.delta === true && !whole && change.op === 'update' && wasIn && before !== undefined) {
    const table = change.table;
    const shown = shownFields(selection, after, { table, history, at: seq });
    const showed = shownFields(selection, before, { table, history, at: seq - 1 });
    if (String(shown) === String(showed)) return makeDelta(selection, view, shown);
  }
  const frame = makeFrame(change);
  return isWhole(selection) ? frame : { ...frame, data: shownJson(selection, after, { history, at: seq }) };
}

/** Change of a record that is related to the one with this key. */
export interface RelatedChange {
  readonly view: ChangeView;
  readonly record: AffectedRecord;
  readonly id: Frame['id'];
}

/** Frame of a record that only a related one has changed for. */
export function frameOfRelated(
  selection: Selection,
  { view, record: { before, after }, id }: RelatedChange,
  history: RelatedHistory,
): Frame | undefined {
  const { seq } = view.change;
  const table = selection.dependent?.table ?? view.change.table;
  const wasIn = isInAt(selection, before, { history, at: seq - 1 });
  if (after === undefined || !isInAt(selection, after, { history, at: seq }))
    return wasIn ? leaveFilter({ ...view.change, table }, id) : undefined;
  const data = shownJson(selection, after, { history, at: seq });
  if (wasIn && before !== undefined && data === shownJson(selection, before, { history, at: seq - 1 }))
    return undefined;
  const recordSeq = history.seqOf(after);
  return { type: 'Update', op: 'update', id, data, seq, ...(recordSeq === undefined ? {} : { recordSeq }) };
}

/** True for a selection that shows a record as it is stored. */
function isWhole({ fields, dependent }: Selection): boolean {
  return fields === undefined && dependent?.relations.length === 0;
}

/** True for a record that the selection had at a position. */
export function isInAt(
  selection: Selection,
  record: ChangedRecord | undefined,
  { history, at }: { readonly history: RelatedHistory; readonly at: number },
): boolean {
  if (record === undefined || selection.dependent === undefined) return false;
  return isIn(selection, record, history.testAt(selection.dependent.table, at));
}
