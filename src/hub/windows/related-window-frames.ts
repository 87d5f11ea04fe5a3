import type { RecordKey } from '../../store/store.ts';
import type { ChangeView } from '../change-view.ts';
import type { RelatedEffects } from '../dependencies/affected.ts';
import type { DependentPart } from '../dependencies/dependency.ts';
import { frameOfOwn, frameOfRelated, isInAt } from '../dependencies/dependent-frames.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import { shownJson } from '../dependencies/shown.ts';
import { type Frame, makeFrame } from '../encode.ts';
import { leaveFilter, type Selection, selectMessage } from '../selection.ts';
import type { Held } from './held-records.ts';
import { leaveWindow, moved } from './window-frames.ts';

/** Records of a window before and after a change, in order. Both are the same object when the change has not moved any. */
export interface WindowChange {
  readonly before: readonly Held[];
  readonly after: readonly Held[];
}

interface Changed {
  readonly selection: Selection;
  readonly part: DependentPart;
  readonly view: ChangeView;
  readonly effects: RelatedEffects;
}

/**
 * Makes the frames of a change for a window that looks at other tables: first those that take records out, then those of records
 * that come in, move or look different, each with its index in what the client has by then. It does nothing but look.
 */
export function relatedWindowFrames(
  selection: Selection,
  view: ChangeView,
  { before, after }: WindowChange,
  effects: RelatedEffects,
): readonly Frame[] {
  const { dependent: part } = selection;
  const { change } = view;
  if (part === undefined) return [];
  if (change.op === 'publish') {
    if (change.table !== part.table) return [];
    const message = selectMessage(selection, view, effects.history.testAt(part.table, change.seq));
    return message === undefined ? [] : [message];
  }
  const changed = { selection, part, view, effects };
  const had = new Set(before.map(({ id }) => id));
  const has = before === after ? had : new Set(after.map(({ id }) => id));
  const gone: Frame[] = [];
  const made = new Map<RecordKey, Frame>();
  effects.history.each(before === after ? [] : before, ({ id }) => {
    if (!has.has(id)) gone.push(leaving(changed, id));
  });
  effects.history.each(after, ({ id }) => {
    const frame = shown(changed, id, had.has(id));
    if (frame !== undefined) made.set(id, frame);
  });
  const kept = before.filter(({ id }) => has.has(id)).map(({ id }) => id);
  return [...gone, ...placed(changed, { kept, after, made })];
}

/** `Delete` of a record that is not in the window any more. */
function leaving({ selection, part: { table }, view, effects }: Changed, id: RecordKey): Frame {
  const { change } = view;
  const { affected, history } = effects;
  const record = affected.get(id);
  const at = change.seq;
  if (record === undefined || isInAt(selection, record.after, { history, at }))
    return leaveWindow({ ...change, table }, id);
  const isOwn = change.table === table && change.id === id;
  return isOwn && change.op === 'delete' ? makeFrame(change) : leaveFilter({ ...change, table }, id);
}

/** `Update` of a record of the window; undefined when the client has it as it is. */
function shown(changed: Changed, id: RecordKey, hadIt: boolean): Frame | undefined {
  const { selection, part, view, effects } = changed;
  const { history } = effects;
  const { change } = view;
  const record = effects.affected.get(id);
  if (record === undefined) return hadIt ? undefined : entering(changed, id);
  if (change.table === part.table && change.id === id)
    return frameOfOwn(selection, { view, record, whole: !hadIt }, history);
  if (hadIt) return frameOfRelated(selection, { view, record, id }, history);
  const { reason, ...frame } = entering(changed, id);
  const matched = isInAt(selection, record.before, { history, at: change.seq - 1 });
  return matched && reason !== undefined ? { ...frame, reason } : frame;
}

/** `Update` of a record that comes into the window, and did not change itself. */
function entering({ selection, part: { table }, view, effects }: Changed, id: RecordKey): Frame {
  const { history } = effects;
  const { seq } = view.change;
  const [record] = history.recordsBy(table, table.primaryKey, { value: id, at: seq });
  if (record === undefined) throw new WindowLostError();
  const data = shownJson(selection, record, { history, at: seq });
  const recordSeq = history.seqOf(record);
  const known = recordSeq === undefined ? {} : { recordSeq };
  return { type: 'Update', op: 'update', id, data, seq, reason: 'window', ...known };
}

/** Adds their indexes to the frames, by what the client has after each of them. */
function* placed(
  { part, view }: Changed,
  {
    kept: list,
    after,
    made,
  }: { readonly kept: RecordKey[]; readonly after: readonly Held[]; readonly made: ReadonlyMap<RecordKey, Frame> },
): Iterable<Frame> {
  const { change } = view;
  let previous: RecordKey | undefined;
  for (const { id } of after) {
    const frame = made.get(id);
    // Only the record that was changed itself can have another place among the others.
    const mayMove = change.table === part.table && change.id === id;
    if (frame !== undefined || mayMove) {
      const was = list.indexOf(id);
      if (was >= 0) list.splice(was, 1);
      const at = previous === undefined ? 0 : list.indexOf(previous) + 1;
      list.splice(at, 0, id);
      if (frame !== undefined) yield { ...frame, at };
      else if (at !== was) yield { ...moved(view), at };
    }
    previous = id;
  }
}
