import type { Id, Rec } from '../grid/segment.ts';
import { ask, newKey, seqOf, type TablecastError } from '../state/http.ts';
import type { Table } from '../state/schema.ts';
import { isEqual } from '../state/text.ts';
import { recordPath } from './drafts.ts';
import { remember } from './undo.ts';
import { writable } from './values.ts';

/** A record as it is now, and as it was. */
export interface Comparison {
  readonly id: Id;
  /** Undefined when it is not there now. */
  readonly now: Rec | undefined;
  readonly seq: number | undefined;
  /** Undefined when it was not there then. */
  readonly then: Rec | undefined;
  /** Fields that can be written and differ. */
  readonly fields: readonly string[];
}

/** Reads a record as it is and as it was at a position. */
export async function compareWith(app: string, table: Table, id: Id, seq: number): Promise<Comparison> {
  const search = `table=${encodeURIComponent(table.name)}&seq=${seq}&id=${encodeURIComponent(id)}`;
  const past = await ask<{ record: Rec | null }>(app, `_/admin/at?${search}`);
  const then = past.data.record ?? undefined;
  const current = await readNow(app, table, id);
  const names = Object.keys(writable(table, { ...current?.data, ...then })).filter((name) => name !== table.key);
  return {
    id,
    now: current?.data,
    seq: current?.seq,
    then,
    fields: names.filter((name) => !isEqual(current?.data[name] ?? null, then?.[name] ?? null)),
  };
}

async function readNow(app: string, table: Table, id: Id): Promise<{ data: Rec; seq: number | undefined } | undefined> {
  try {
    const { data, headers } = await ask<Rec>(app, recordPath(table.name, id));
    return { data, seq: seqOf(headers) };
  } catch (error) {
    if ((error as TablecastError).status === 404) return undefined;
    throw error;
  }
}

/**
 * Makes a record what it was, only while it is as it was compared. Throws PRECONDITION_FAILED when it has been changed
 * since.
 */
export async function restore(app: string, table: Table, compared: Comparison): Promise<void> {
  const { id, now, then, seq, fields } = compared;
  const key = { 'idempotency-key': newKey() };
  const path = recordPath(table.name, id);
  if (then === undefined) return;
  if (now === undefined) {
    const record = writable(table, then);
    const { headers } = await ask(app, path, {
      method: 'PUT',
      body: record,
      headers: { 'if-none-match': '*', ...key },
    });
    remember({ kind: 'create', app, table: table.name, id, seq: seqOf(headers) ?? 0, record });
    return;
  }
  const pick = (record: Rec) => Object.fromEntries(fields.map((name) => [name, record[name] ?? null]));
  const { headers, data } = await ask<Rec>(app, path, {
    method: 'PATCH',
    body: pick(then),
    headers: { 'if-match': `"${seq}"`, ...key },
  });
  remember({ kind: 'change', app, table: table.name, id, seq: seqOf(headers) ?? 0, before: pick(now), after: data });
}
