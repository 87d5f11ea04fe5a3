import type { Awaitable, Change, StoredRecord } from '../store/store.ts';
import { type ChangedRecord, type ChangeView, parseRecord, viewOf } from './change-view.ts';
import { type Frame, makeFrame, makeRetained } from './encode.ts';

/** Which records a subscription is about, and what of them it wants. */
export interface Selection {
  /** Equal for selections that let through the same frames. */
  readonly key: string;
  readonly matches?: (record: ChangedRecord) => boolean;
  /** The records that the subscriber may see at all. A message is for those who see the record that it is about. */
  readonly sees?: (record: ChangedRecord) => boolean;
  /** Nothing matches whose field has another value: the hub finds such selections by it. */
  readonly equal?: { readonly field: string; readonly value: string | number | boolean };
  readonly fields?: readonly string[];
  /** Of the fields those that only some records show. */
  readonly masked?: ReadonlyMap<string, (record: ChangedRecord) => boolean>;
  /**
   * Reads the related records that are shown as members of a record: JSON text, with a comma before each member. They
   * are the records of other tables as they are at the time of the call.
   */
  readonly readRelated?: (record: ChangedRecord) => Awaitable<string>;
  /** Of an update only the fields that changed. */
  readonly delta?: boolean;
}

export const EVERYTHING: Selection = { key: '' };

/** Reads what `selectChange` needs of related records; undefined when it needs nothing. */
export function relatedOfChange(selection: Selection, change: Change): Awaitable<string> | undefined {
  const { readRelated } = selection;
  if (readRelated === undefined || change.op === 'publish') return undefined;
  const { after } = viewOf(change);
  return after !== undefined && isIn(selection, after) ? readRelated(after) : undefined;
}

/** Reads what `selectRecord` needs of related records; undefined when it needs nothing. */
export function relatedOfRecord(selection: Selection, { json }: StoredRecord): Awaitable<string> | undefined {
  const { readRelated } = selection;
  if (readRelated === undefined) return undefined;
  const record = parseRecord(json);
  return isIn(selection, record) ? readRelated(record) : undefined;
}

/** The frame that a subscription with this selection gets for a change, or undefined for none. */
export function selectChange(selection: Selection, change: Change, related = ''): Frame | undefined {
  const { matches, sees, fields, delta } = selection;
  const isAll = matches === undefined && sees === undefined;
  if (isAll && ((fields === undefined && delta !== true) || change.op === 'delete')) return makeFrame(change);
  const view = viewOf(change);
  if (change.op === 'publish') return selectMessage(selection, change);
  const wasIn = () => view.before !== undefined && isIn(selection, view.before);
  if (view.after !== undefined && isIn(selection, view.after)) {
    // Who has not had the record needs all of it.
    const isPart = delta === true && change.op === 'update' && wasIn() && !unmasks(selection, view);
    if (isPart) return makeDelta(selection, change);
    return project(makeFrame(change), { data: view.after, related }, selection);
  }
  // Never in the filter: nothing is told, not even the id.
  if (!wasIn()) return undefined;
  return change.op === 'delete' ? makeFrame(change) : leave(change);
}

function isIn({ matches, sees }: Selection, record: ChangedRecord): boolean {
  return (sees?.(record) ?? true) && (matches?.(record) ?? true);
}

/** The filter is about what was published, and what the subscriber may see about the record. */
function selectMessage({ matches, sees }: Selection, change: Change): Frame | undefined {
  const { previous, after = {} } = viewOf(change);
  if (sees !== undefined && (previous === undefined || !sees(previous))) return undefined;
  return (matches?.(after) ?? true) ? makeFrame(change) : undefined;
}

/** The `Retained` frame of a stored record, or undefined when the selection does not have it. */
export function selectRecord(selection: Selection, record: StoredRecord, related = ''): Frame | undefined {
  const { matches, sees, fields } = selection;
  if (matches === undefined && sees === undefined && fields === undefined) return makeRetained(record);
  const data = parseRecord(record.json);
  if (!isIn(selection, data)) return undefined;
  return project(makeRetained(record), { data, related }, selection);
}

function leave({ op, id, seq, table }: Change): Frame {
  return { type: 'Delete', op, id, data: keyOf(table, id), seq, reason: 'filter' };
}

function keyOf(table: Change['table'], id: Change['id']): string {
  return JSON.stringify({ [table.primaryKey.name]: id });
}

/** Whether the change shows or hides a field whose value it may have left as it was. */
function unmasks({ masked }: Selection, { before = {}, after = {} }: ChangeView): boolean {
  return masked !== undefined && [...masked.values()].some((shows) => shows(before) !== shows(after));
}

/** Nothing when no field changed that the selection has. */
function makeDelta({ fields, masked }: Selection, change: Change): Frame | undefined {
  const { after = {}, previous = {} } = viewOf(change);
  const shown = (name: string) => (fields?.includes(name) ?? true) && (masked?.get(name)?.(after) ?? true);
  const changed = Object.keys(previous).filter(shown);
  if (changed.length === 0) return undefined;
  const data = JSON.stringify(Object.fromEntries(changed.map((name) => [name, after[name] ?? null])));
  return { ...makeFrame(change), data, changed, key: keyOf(change.table, change.id) };
}

interface Projected {
  readonly data: ChangedRecord;
  readonly related: string;
}

function project(frame: Frame, { data, related }: Projected, { fields, masked }: Selection): Frame {
  if (fields === undefined) return frame;
  const shown = masked === undefined ? fields : fields.filter((name) => masked.get(name)?.(data) ?? true);
  const members = shown.map((name) => `${JSON.stringify(name)}:${JSON.stringify(data[name] ?? null)}`);
  return { ...frame, data: `{${members.join(',')}${related}}` };
}
