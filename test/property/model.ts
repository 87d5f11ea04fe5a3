import type { Change } from '../../src/store/store.ts';
import type { Line } from './sink.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Scope of a subscription, once as a query for the product and once by hand for the model. */
export interface Interest {
  readonly query: string;
  readonly matches: (record: Json) => boolean;
  readonly fields?: readonly string[];
  /** True to receive only the changed fields of an update. */
  readonly delta?: boolean;
}

const all = (): boolean => true;
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

export const INTERESTS: readonly Interest[] = [
  { query: '', matches: all },
  { query: 'n=gt=3', matches: ({ n }) => (number(n) ?? Number.NEGATIVE_INFINITY) > 3 },
  { query: 's=sw=a', matches: ({ s }) => typeof s === 'string' && s.startsWith('a') },
  { query: '!n==1', matches: ({ n }) => n !== 1 },
  { query: 'select=n', matches: all, fields: ['id', 'n'] },
  // Found by the value of a field, alone, with more, and under two fields at once.
  { query: 'n=3', matches: ({ n }) => n === 3 },
  { query: 's=gt=a&n==2', matches: ({ n, s }) => n === 2 && typeof s === 'string' && s > 'a' },
  { query: 's===a', matches: ({ s }) => s === 'a' },
  { query: 'n=1|s=b', matches: ({ n, s }) => n === 1 || s === 'b' },
  { query: 'delta=true', matches: all, delta: true },
  { query: 's=a&select=n,pad&delta=true', matches: ({ s }) => s === 'a', fields: ['id', 'n', 'pad'], delta: true },
  { query: 'n=lt=5&s==b&select=s', matches: ({ n, s }) => (number(n) ?? 9) < 5 && s === 'b', fields: ['id', 's'] },
];

/** Table as the sum of its changes. */
export class TableModel {
  readonly records = new Map<unknown, Json>();

  apply({ op, id, data }: Change): void {
    if (op === 'delete') this.records.delete(id);
    else if (op !== 'publish') this.records.set(id, JSON.parse(data) as Json);
  }
}

/** Returns the records of one table's history up to a seq. */
export function stateAt(history: readonly Change[], seq: number): TableModel {
  const model = new TableModel();
  for (const change of history) {
    if (change.seq > seq) break;
    model.apply(change);
  }
  return model;
}

export interface Scope {
  /** Undefined for the whole table. */
  readonly id: string | undefined;
  readonly interest: Interest;
}

/** Returns the records that a subscriber of this scope has at a seq. */
export function viewAt(history: readonly Change[], seq: number, { id, interest }: Scope): Map<unknown, Json> {
  const view = new Map<unknown, Json>();
  for (const [key, record] of stateAt(history, seq).records) {
    if ((id === undefined || id === key) && interest.matches(record)) view.set(key, project(record, interest));
  }
  return view;
}

export interface Told extends Scope {
  /** seq up to which the subscriber may lack a record of which it receives a change. */
  readonly wholeUntil?: number;
}

/** Returns the frames that a subscriber of this scope must receive for the changes after a seq. */
export function framesAfter(history: readonly Change[], seq: number, { id, interest, wholeUntil = 0 }: Told): Line[] {
  const model = new TableModel();
  const frames: Line[] = [];
  for (const change of history) {
    const before = model.records.get(change.id);
    model.apply(change);
    if (change.seq <= seq || (id !== undefined && change.id !== id)) continue;
    const frame = frameOf(change, before, change.seq <= wholeUntil ? { ...interest, delta: false } : interest);
    if (frame !== undefined) frames.push(frame);
  }
  return frames;
}

function frameOf(change: Change, before: Json | undefined, interest: Interest): Line | undefined {
  const { op, id, seq } = change;
  const data = JSON.parse(change.data) as Json;
  const wasIn = before !== undefined && interest.matches(before);
  if (op === 'publish') return interest.matches(data) ? { type: 'Publish', op, id, data, seq } : undefined;
  if (op === 'delete') return wasIn ? { type: 'Delete', op, id, data: { id }, seq } : undefined;
  if (interest.matches(data) && wasIn && interest.delta) return deltaOf(change, before, interest);
  if (interest.matches(data)) return { type: 'Update', op, id, data: project(data, interest), seq };
  return wasIn ? { type: 'Delete', op, id, data: { id }, seq, reason: 'filter' } : undefined;
}

function deltaOf({ op, id, seq, data }: Change, before: Json, { fields }: Interest): Line | undefined {
  const after = JSON.parse(data) as Json;
  const isNew = (name: string) => JSON.stringify(after[name]) !== JSON.stringify(before[name]);
  const changed = Object.keys(after).filter((name) => isNew(name) && (fields?.includes(name) ?? true));
  if (changed.length === 0) return undefined;
  const part = Object.fromEntries(changed.map((name) => [name, after[name]]));
  return { type: 'Update', op, id, data: part, seq, changed, key: JSON.stringify({ id }) };
}

function project(record: Json, { fields }: Interest): Json {
  return fields === undefined ? record : Object.fromEntries(fields.map((name) => [name, record[name] ?? null]));
}
