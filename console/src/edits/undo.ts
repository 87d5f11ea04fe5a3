import { signal } from '@preact/signals';
import type { Id, Rec } from '../grid/segment.ts';
import { ask, newKey, seqOf, type TablecastError } from '../state/http.ts';
import { describeError, say } from '../state/messages.ts';
import { formatCount } from '../state/text.ts';
import { canTakeBackMany, takeBackMany } from './bulk-undo.ts';
import { recordPath } from './drafts.ts';

/** Write of this tab that can be taken back, as long as the record is as that write left it. */
export type Written =
  | { kind: 'change'; app: string; table: string; id: Id; seq: number; before: Rec; after: Rec }
  | { kind: 'create'; app: string; table: string; id: Id; seq: number; record: Rec }
  | { kind: 'delete'; app: string; table: string; records: readonly (readonly [Id, Rec])[] }
  | { kind: 'many'; app: string; table: string; positions: readonly number[] };

const MAX_KEPT = 100;

export const undoable = signal<readonly Written[]>([]);
export const redoable = signal<readonly Written[]>([]);

export function remember(written: Written): void {
  undoable.value = [...undoable.value.slice(1 - MAX_KEPT), written];
  redoable.value = [];
}

/** Remembers a write of many records, where it can be taken back. Returns the action for it. */
export function rememberMany(
  app: string,
  table: string,
  positions: readonly number[],
): { label: string; run(): void } | undefined {
  if (positions.length === 0 || !canTakeBackMany()) return undefined;
  remember({ kind: 'many', app, table, positions });
  return { label: 'Undo', run: () => void undo() };
}

export async function undo(): Promise<void> {
  const last = undoable.value.at(-1);
  if (last === undefined) return say('There is nothing to undo.');
  undoable.value = undoable.value.slice(0, -1);
  const inverse = await takeBack(last);
  if (inverse !== undefined) redoable.value = [...redoable.value, inverse];
}

export async function redo(): Promise<void> {
  const last = redoable.value.at(-1);
  if (last === undefined) return say('There is nothing to do again.');
  redoable.value = redoable.value.slice(0, -1);
  const inverse = await takeBack(last);
  if (inverse !== undefined) undoable.value = [...undoable.value, inverse];
}

/** Writes the inverse, only where the record has not been changed since. Returns what takes that back. */
async function takeBack(written: Written): Promise<Written | undefined> {
  try {
    if (written.kind === 'change') return await changeBack(written);
    if (written.kind === 'create') return await deleteAgain(written);
    if (written.kind === 'many') return await changeManyBack(written);
    return await createBack(written);
  } catch (error) {
    const { code } = error as TablecastError;
    const isOther = code === 'PRECONDITION_FAILED' || code === 'NOT_FOUND' || code === 'CONFLICT';
    say(isOther ? 'Not undone: the record was changed since.' : describeError(error), 'bad');
    return undefined;
  }
}

async function changeBack(written: Extract<Written, { kind: 'change' }>): Promise<Written> {
  const { app, table, id, seq, before, after } = written;
  const { headers, data } = await ask<Rec>(app, recordPath(table, id), {
    method: 'PATCH',
    body: before,
    headers: { 'if-match': `"${seq}"`, 'idempotency-key': newKey() },
  });
  say(`${table} ${id}: ${Object.keys(before).join(', ')} is as before.`, 'good');
  const undone = Object.fromEntries(Object.keys(before).map((name) => [name, after[name] ?? null]));
  return { ...written, seq: seqOf(headers) ?? 0, before: undone, after: data };
}

async function deleteAgain({ app, table, id, seq, record }: Extract<Written, { kind: 'create' }>): Promise<Written> {
  await ask(app, recordPath(table, id), {
    method: 'DELETE',
    headers: { 'if-match': `"${seq}"`, 'idempotency-key': newKey() },
  });
  say(`${table} ${id} is removed again.`, 'good');
  return { kind: 'delete', app, table, records: [[id, record]] };
}

/** Takes back what it can: records that were changed since stay as they are, and their number is told. */
async function changeManyBack(written: Extract<Written, { kind: 'many' }>): Promise<Written | undefined> {
  const { undone, left, positions } = await takeBackMany(written.app, written.positions);
  const done = `${formatCount(undone)} ${undone === 1 ? 'record is' : 'records are'} as before.`;
  if (left === 0) say(done, 'good');
  else say(`${done} ${formatCount(left)} changed since ${left === 1 ? 'stays' : 'stay'} as now.`, 'bad');
  return positions.length === 0 ? undefined : { ...written, positions };
}

async function createBack({ app, table, records }: Extract<Written, { kind: 'delete' }>): Promise<Written | undefined> {
  const { headers } = await ask(app, encodeURIComponent(table), {
    method: 'POST',
    body: records.length === 1 ? records[0]?.[1] : records.map(([, record]) => record),
    headers: { 'idempotency-key': newKey() },
  });
  const [first] = records;
  say(records.length === 1 ? `${table} ${first?.[0]} is back.` : `${records.length} records are back.`, 'good');
  if (first === undefined || records.length > 1) return undefined;
  return { kind: 'create', app, table, id: first[0], seq: seqOf(headers) ?? 0, record: first[1] };
}
