import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Awaitable, Change } from '../../store/store.ts';
import { type ChangeView, parseRecord } from '../change-view.ts';
import { type Frame, makeFrame } from '../encode.ts';
import { isIn, keyJson, leaveFilter, project, type Selection, selectDelta, selectMessage } from '../selection.ts';
import type { Entering, WindowStep } from './window-tracker.ts';

/** Makes the frames of a change for a subscription with a window: none, one, or a `Delete` and then an `Update`. */
export function windowFrames(
  selection: Selection,
  view: ChangeView,
  step: WindowStep | undefined,
): Awaitable<readonly Frame[]> {
  if (view.change.op === 'publish') return toList(selectMessage(selection, view));
  if (step === undefined) return [];
  const gone = step.leaving === undefined ? removal(selection, view, step) : leaveWindow(view.change, step.leaving.id);
  const { entering } = step;
  const come = entering === undefined ? update(selection, view, step) : enterWindow(selection, view, entering);
  return thenOrNow(come, (frame) => [...toList(gone), ...toList(frame)]);
}

function toList(frame: Frame | undefined): readonly Frame[] {
  return frame === undefined ? [] : [frame];
}

/** Returns the `Delete` of the changed record, if it has left. */
function removal(selection: Selection, { change, after }: ChangeView, { from, to }: WindowStep): Frame | undefined {
  if (from === undefined || to !== undefined) return undefined;
  if (change.op === 'delete') return makeFrame(change);
  const leaves = leaveFilter(change, change.id);
  return after !== undefined && isIn(selection, after) ? { ...leaves, reason: 'window' } : leaves;
}

/** `Delete` of a record that matches, and is not in the window any more. */
export function leaveWindow({ seq, table }: Pick<Change, 'seq' | 'table'>, id: Frame['id']): Frame {
  return { type: 'Delete', op: 'update', id, data: keyJson(table, id), seq, reason: 'window' };
}

/** Returns the `Update` of the changed record, if it is in the window. */
function update(selection: Selection, view: ChangeView, { from, to: at }: WindowStep): Awaitable<Frame | undefined> {
  const { change, after } = view;
  if (at === undefined || after === undefined) return undefined;
  if (selection.delta === true && from !== undefined && change.op === 'update') {
    const delta = selectDelta(selection, view);
    if (delta !== 'whole') return delta === undefined && from === at ? undefined : { ...(delta ?? moved(view)), at };
  }
  const data = after;
  return thenOrNow(selection.readRelated?.(data) ?? '', (related) => ({
    ...project(makeFrame(change), { data, related }, selection),
    at,
  }));
}

/** Returns the frame of a record of which nothing but its place has changed, as far as the subscription shows it. */
export function moved({ change }: ChangeView): Frame {
  return { ...makeFrame(change), data: '{}', changed: [], key: keyJson(change.table, change.id) };
}

function enterWindow(selection: Selection, { change }: ChangeView, entering: Entering): Awaitable<Frame> {
  const { id, json, at, seq: recordSeq } = entering;
  const frame: Frame = {
    type: 'Update',
    op: 'update',
    id,
    data: json,
    seq: change.seq,
    at,
    reason: 'window',
    ...(recordSeq === undefined ? {} : { recordSeq }),
  };
  if (selection.fields === undefined) return frame;
  const data = parseRecord(json);
  return thenOrNow(selection.readRelated?.(data) ?? '', (related) => project(frame, { data, related }, selection));
}
