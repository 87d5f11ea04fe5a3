import type { JsonValue, TablePlan } from '../schema/plan.ts';
import type { Change, StoredRecord } from '../store/store.ts';
import { type Frame, makeFrame, makeRetained } from './encode.ts';

type JsonRecord = Readonly<Record<string, JsonValue>>;

/** Which records a subscription is about, and which of their fields it wants. */
export interface Selection {
  /** Equal for selections that let through the same frames. */
  readonly key: string;
  readonly matches?: (record: JsonRecord) => boolean;
  readonly fields?: readonly string[];
}

export const EVERYTHING: Selection = { key: '' };

/** The frame that a subscription with this selection gets for a change, or undefined for none. */
export function selectChange(selection: Selection, change: Change): Frame | undefined {
  const { matches, fields } = selection;
  if (matches === undefined && (fields === undefined || change.op === 'delete')) return makeFrame(change);
  if (matches === undefined) return project(makeFrame(change), parse(change.data), fields);
  const after = change.op === 'delete' ? undefined : parse(change.data);
  if (after !== undefined && matches(after)) return project(makeFrame(change), after, fields);
  // Never in the filter: nothing is told, not even the id.
  if (change.before === null || !matches({ ...after, ...parse(change.before) })) return undefined;
  return change.op === 'delete' ? makeFrame(change) : leave(change);
}

/** The `Retained` frame of a stored record, or undefined when the selection does not have it. */
export function selectRecord({ matches, fields }: Selection, record: StoredRecord): Frame | undefined {
  if (matches === undefined && fields === undefined) return makeRetained(record);
  const data = parse(record.json);
  if (matches !== undefined && !matches(data)) return undefined;
  return project(makeRetained(record), data, fields);
}

function leave({ op, id, seq, table }: Change): Frame {
  return { type: 'Delete', op, id, data: keyOf(table, id), seq, reason: 'filter' };
}

function keyOf(table: TablePlan, id: Change['id']): string {
  return JSON.stringify({ [table.primaryKey.name]: id });
}

function project(frame: Frame, data: JsonRecord, fields: readonly string[] | undefined): Frame {
  // What was published is a message, not a record: it has no fields to choose from.
  if (fields === undefined || frame.type === 'Publish') return frame;
  return { ...frame, data: JSON.stringify(Object.fromEntries(fields.map((name) => [name, data[name] ?? null]))) };
}

function parse(json: string): JsonRecord {
  const value: unknown = JSON.parse(json);
  return typeof value === 'object' && value !== null ? (value as JsonRecord) : {};
}
