import type { Predicate, RelatedTest } from '../query/index.ts';
import type { Awaitable, Change, StoredRecord } from '../store/store.ts';
import type { TotalsQuery } from './aggregates/group-state.ts';
import { type ChangedRecord, type ChangeView, parseRecord } from './change-view.ts';
import type { DependentPart } from './dependencies/dependency.ts';
import { type Frame, makeFrame, makeRetained } from './encode.ts';
import type { WindowQuery } from './windows/held-records.ts';

/** Records that a subscription follows, and the fields of them that it receives. */
export interface Selection {
  /** Equal for selections that produce the same frames. */
  readonly key: string;
  readonly matches?: Predicate;
  /** True for records that the subscriber may read. A message goes to subscribers that may read the record it is about. */
  readonly sees?: Predicate;
  /** Value that a field must have in every record that matches: the hub looks up such selections by it. */
  readonly equal?: { readonly field: string; readonly value: string | number | boolean };
  readonly fields?: readonly string[];
  /** Fields that only some records show, each with its condition. */
  readonly masked?: ReadonlyMap<string, Predicate>;
  /**
   * Reads the related records that are properties of a record: JSON text, with a comma before each property. They are
   * the records of other tables as they are at the time of the call.
   */
  readonly readRelated?: (record: ChangedRecord) => Awaitable<string>;
  /** Sends only the fields that changed of an update. */
  readonly delta?: boolean;
  /** Part that looks at other tables, whose changes concern the subscription too. */
  readonly dependent?: DependentPart;
  /** Window of the matching records that the subscription follows, instead of all of them. */
  readonly window?: WindowQuery;
  /** Totals of the matching records that the subscription follows, instead of the records. */
  readonly totals?: TotalsQuery;
  /** Number of the matching records, which the subscription follows besides. */
  readonly counted?: TotalsQuery;
}

export const EVERYTHING: Selection = { key: '' };

/** Reads what `selectChange` needs of related records; undefined when it needs nothing. */
export function relatedOfChange(selection: Selection, view: ChangeView): Awaitable<string> | undefined {
  const { readRelated } = selection;
  if (readRelated === undefined || view.change.op === 'publish') return undefined;
  const { after } = view;
  return after !== undefined && isIn(selection, after) ? readRelated(after) : undefined;
}

/** Reads what `selectRecord` needs of related records; undefined when it needs nothing. */
export function relatedOfRecord(
  selection: Selection,
  { json }: StoredRecord,
  test?: RelatedTest,
): Awaitable<string> | undefined {
  const { readRelated } = selection;
  if (readRelated === undefined) return undefined;
  const record = parseRecord(json);
  return isIn(selection, record, test) ? readRelated(record) : undefined;
}

/** Reads the related records of several records or changes; undefined, without a promise, where the selection has none. */
export function readAll<T>(
  { readRelated }: Selection,
  items: readonly T[],
  read: (item: T) => Awaitable<string> | undefined,
): Promise<readonly (string | undefined)[]> | undefined {
  return readRelated === undefined ? undefined : Promise.all(items.map(read));
}

/** Frame of a change for a subscription with this selection; undefined for none. */
export function selectChange(selection: Selection, view: ChangeView, related = ''): Frame | undefined {
  const { change } = view;
  const { matches, sees, fields, delta } = selection;
  const isAll = matches === undefined && sees === undefined;
  if (isAll && ((fields === undefined && delta !== true) || change.op === 'delete')) return makeFrame(change);
  if (change.op === 'publish') return selectMessage(selection, view);
  const wasIn = () => view.before !== undefined && isIn(selection, view.before);
  if (view.after !== undefined && isIn(selection, view.after)) {
    // A subscriber that did not have the record needs all of it.
    if (delta === true && change.op === 'update' && wasIn()) {
      const part = selectDelta(selection, view);
      if (part !== 'whole') return part;
    }
    return project(makeFrame(change), { data: view.after, related }, selection);
  }
  // Neither before nor after in the filter: nothing is sent, not even the id.
  if (!wasIn()) return undefined;
  return change.op === 'delete' ? makeFrame(change) : leaveFilter(change, change.id);
}

/** True for a record that the subscription follows and its subscriber may read. */
export function isIn({ matches, sees }: Selection, record: ChangedRecord, test?: RelatedTest): boolean {
  return (sees?.(record, test) ?? true) && (matches?.(record, test) ?? true);
}

/** Applies the filter to the published message, and the subscriber's rights to the record that it is about. */
export function selectMessage(
  { matches, sees }: Selection,
  { change, previous, after = {} }: ChangeView,
  test?: RelatedTest,
): Frame | undefined {
  if (sees !== undefined && (previous === undefined || !sees(previous, test))) return undefined;
  return (matches?.(after, test) ?? true) ? makeFrame(change) : undefined;
}

/**
 * `Retained` frame of a stored record; undefined when the selection does not have it. `test` decides on other tables, for a
 * selection with conditions on them.
 */
export function selectRecord(
  selection: Selection,
  record: StoredRecord,
  related = '',
  test?: RelatedTest,
): Frame | undefined {
  const { matches, sees, fields } = selection;
  if (matches === undefined && sees === undefined && fields === undefined) return makeRetained(record);
  const data = parseRecord(record.json);
  if (!isIn(selection, data, test)) return undefined;
  return project(makeRetained(record), { data, related, test }, selection);
}

/** `Delete` of a record that still exists, and that the change has taken out of the subscription. */
export function leaveFilter({ seq, table }: Change, id: Change['id']): Frame {
  return { type: 'Delete', op: 'update', id, data: keyJson(table, id), seq, reason: 'filter' };
}

export function keyJson(table: Change['table'], id: Change['id']): string {
  return JSON.stringify({ [table.primaryKey.name]: id });
}

/** True when the change shows or hides a field whose value it may have left as it was. */
function visibilityChanged({ masked }: Selection, { before = {}, after = {} }: ChangeView): boolean {
  return masked !== undefined && [...masked.values()].some((shows) => shows(before) !== shows(after));
}

/**
 * Returns the frame with the fields that an update changed; undefined when none of them is selected, and `whole` when the
 * change shows or hides a field.
 */
export function selectDelta(selection: Selection, view: ChangeView): Frame | 'whole' | undefined {
  return visibilityChanged(selection, view) ? 'whole' : makeDelta(selection, view);
}

/** `Update` with the changed fields; undefined when none of those changed that are shown. */
export function makeDelta(
  { fields, masked }: Selection,
  view: ChangeView,
  shown?: readonly string[],
): Frame | undefined {
  const { change, after = {}, previous = {} } = view;
  const shows = (name: string) => (fields?.includes(name) ?? true) && (masked?.get(name)?.(after) ?? true);
  const changed = Object.keys(previous).filter((name) => shown?.includes(name) ?? shows(name));
  if (changed.length === 0) return undefined;
  const data = JSON.stringify(Object.fromEntries(changed.map((name) => [name, after[name] ?? null])));
  return { ...makeFrame(change), data, changed, key: keyJson(change.table, change.id) };
}

export interface Projected {
  readonly data: ChangedRecord;
  readonly related: string;
  readonly test?: RelatedTest | undefined;
}

export function project(frame: Frame, { data, related, test }: Projected, { fields, masked }: Selection): Frame {
  if (fields === undefined) return frame;
  const shown = masked === undefined ? fields : fields.filter((name) => masked.get(name)?.(data, test) ?? true);
  const members = shown.map((name) => `${JSON.stringify(name)}:${JSON.stringify(data[name] ?? null)}`);
  return { ...frame, data: `{${members.join(',')}${related}}` };
}
