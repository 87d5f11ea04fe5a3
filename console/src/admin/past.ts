import type { Id, Rec } from '../grid/segment.ts';
import { ask } from '../state/http.ts';

/** Part of the log that states can be read of. */
export interface Span {
  readonly start: number;
  readonly head: number;
}

export interface PastQuery {
  readonly table: string;
  readonly seq: number;
  /** Key behind which the page begins. */
  readonly after?: Id;
}

export interface PastPage {
  readonly records: readonly Rec[];
  /** Key behind which the next page begins. */
  readonly next: Id | null;
  /** Change at exactly this position; `fields` is undefined for a new record. */
  readonly change: { readonly id: Id; readonly fields: readonly string[] | undefined } | undefined;
}

interface Entry {
  readonly seq: number;
  readonly id: Id | null;
  readonly op: string;
  readonly before?: Rec | null;
}

interface LogPage extends Span {
  readonly entries: readonly Entry[];
}

async function readLog(app: string, search: string, signal?: AbortSignal): Promise<LogPage> {
  return (await ask<LogPage>(app, `_/admin/log?${search}`, signal && { signal })).data;
}

export async function readSpan(app: string, table: string): Promise<Span> {
  const { start, head } = await readLog(app, `table=${encodeURIComponent(table)}&limit=1`);
  return { start: Math.min(start, head), head };
}

/** Reads a page of records as they were, with the change that is at the position. */
export async function readPast(app: string, { table, seq, after }: PastQuery, signal: AbortSignal): Promise<PastPage> {
  const name = encodeURIComponent(table);
  const search = `table=${name}&seq=${seq}&limit=100${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`;
  const { data } = await ask<{ records: readonly Rec[]; next: Id | null }>(app, `_/admin/at?${search}`, { signal });
  const { entries } = await readLog(app, `table=${name}&before=${seq + 1}&limit=1`, signal);
  const [entry] = entries;
  const isHere = entry?.seq === seq && entry.id !== null;
  return {
    ...data,
    change: isHere
      ? { id: entry.id as Id, fields: entry.op === 'create' ? undefined : Object.keys(entry.before ?? {}) }
      : undefined,
  };
}

/** Position of the change before or after one; undefined where the log ends. */
export async function stepFrom(app: string, table: string, seq: number, by: -1 | 1): Promise<number | undefined> {
  const name = encodeURIComponent(table);
  if (by === 1) return (await readLog(app, `table=${name}&since=${seq}&limit=1`)).entries[0]?.seq;
  const { entries, start } = await readLog(app, `table=${name}&before=${seq}&limit=1`);
  return entries[0]?.seq ?? (seq > start ? start : undefined);
}
