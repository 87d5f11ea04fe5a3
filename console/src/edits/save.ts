import { signal } from '@preact/signals';
import type { Id, Rec } from '../grid/segment.ts';
import { ask, newKey, seqOf, type TablecastError } from '../state/http.ts';
import { describeError, say } from '../state/messages.ts';
import { isEqual } from '../state/text.ts';
import { type Draft, discard, draftOf, putDraft, recordPath } from './drafts.ts';
import { remember } from './undo.ts';

/** Draft that cannot be saved as it is, since the record is another one now. */
export interface Conflict {
  readonly app: string;
  readonly table: string;
  readonly id: Id;
  readonly base: Rec;
  readonly mine: Rec;
  /** Record as it is now; undefined when it was deleted. */
  readonly theirs: Rec | undefined;
  readonly seq: number | undefined;
  /** Fields that both have changed. */
  readonly fields: readonly string[];
}

export const conflict = signal<Conflict | undefined>(undefined);
export const saving = signal(false);

/** Saves drafts one after the other, up to the first that needs a decision. Returns how many were saved. */
export async function saveAll(app: string, table: string, drafts: readonly Draft[]): Promise<number> {
  if (saving.value) return 0;
  saving.value = true;
  let saved = 0;
  try {
    for (const { id } of drafts) {
      const draft = draftOf(app, table, id);
      if (draft === undefined) continue;
      if (!(await saveDraft(app, table, draft))) break;
      saved++;
    }
  } finally {
    saving.value = false;
  }
  return saved;
}

async function saveDraft(app: string, table: string, draft: Draft): Promise<boolean> {
  if (draft.seq !== undefined) {
    const refused = await patch(app, table, draft, draft.seq);
    if (refused === undefined) return true;
    if (refused.code !== 'PRECONDITION_FAILED' && refused.status !== 404) return note(app, table, draft, refused);
  }
  return merge(app, table, draft);
}

/** Sends the changed fields. Returns the error when the server refuses them. */
async function patch(app: string, table: string, draft: Draft, seq: number): Promise<TablecastError | undefined> {
  try {
    const { headers, data } = await ask<Rec>(app, recordPath(table, draft.id), {
      method: 'PATCH',
      body: draft.changes,
      headers: { 'if-match': `"${seq}"`, 'idempotency-key': newKey() },
    });
    const fields = Object.keys(draft.changes);
    const before = Object.fromEntries(fields.map((name) => [name, draft.base[name] ?? null]));
    remember({ kind: 'change', app, table, id: draft.id, seq: seqOf(headers) ?? 0, before, after: data });
    if (draftOf(app, table, draft.id) === draft) discard(app, table, draft.id);
    else keepNewer(app, table, draft, seqOf(headers));
    return undefined;
  } catch (error) {
    return error as TablecastError;
  }
}

/** Keeps what was typed while the save was on its way. */
function keepNewer(app: string, table: string, sent: Draft, seq: number | undefined): void {
  const now = draftOf(app, table, sent.id);
  if (now === undefined) return;
  const left = Object.entries(now.changes).filter(([name, value]) => !isEqual(sent.changes[name], value));
  if (left.length === 0) {
    discard(app, table, sent.id);
    return;
  }
  const base = { ...now.base, ...sent.changes };
  putDraft(app, table, { ...now, base, seq, changes: Object.fromEntries(left) });
}

/** Compares with the record as it is now: fields that are as before are sent, the rest is asked about. */
async function merge(app: string, table: string, draft: Draft): Promise<boolean> {
  let theirs: Rec;
  let seq: number | undefined;
  try {
    const answer = await ask<Rec>(app, recordPath(table, draft.id));
    theirs = answer.data;
    seq = seqOf(answer.headers);
  } catch (error) {
    if ((error as TablecastError).status !== 404) return note(app, table, draft, error as TablecastError);
    conflict.value = {
      app,
      table,
      id: draft.id,
      base: draft.base,
      mine: draft.changes,
      theirs: undefined,
      seq: undefined,
      fields: [],
    };
    return false;
  }
  const fields = Object.keys(draft.changes).filter(
    (name) =>
      !isEqual(theirs[name] ?? null, draft.base[name] ?? null) &&
      !isEqual(theirs[name] ?? null, draft.changes[name] ?? null),
  );
  if (fields.length > 0 || seq === undefined) {
    conflict.value = { app, table, id: draft.id, base: draft.base, mine: draft.changes, theirs, seq, fields };
    return false;
  }
  const refused = await patch(app, table, draft, seq);
  if (refused !== undefined) return note(app, table, draft, refused);
  if (draft.seq !== undefined) say(`Saved. What another client changed in ${draft.id} meanwhile was kept.`, 'good');
  return true;
}

function note(app: string, table: string, draft: Draft, error: TablecastError): false {
  const errors: Record<string, string> = {};
  for (const { field, message } of error.errors ?? []) errors[field.split('.')[0] ?? field] = message;
  putDraft(app, table, { ...draft, errors });
  say(describeError(error), 'bad');
  return false;
}

/** Ends a conflict with the values that were chosen for its fields. */
export async function resolve(chosen: Rec): Promise<void> {
  const now = conflict.value;
  if (now === undefined) return;
  const { app, table, id, theirs, seq, mine } = now;
  conflict.value = undefined;
  const changes = { ...mine, ...chosen };
  const left = Object.entries(changes).filter(([name, value]) => !isEqual(theirs?.[name] ?? null, value ?? null));
  if (left.length === 0) return discard(app, table, id);
  const base = Object.fromEntries(left.map(([name]) => [name, theirs?.[name] ?? null]));
  const draft = { id, base, seq, changes: Object.fromEntries(left) };
  putDraft(app, table, draft);
  await saveAll(app, table, [draft]);
}

/** Creates a record again that another client has deleted, with the values of the draft. */
export async function createAgain(record: Rec): Promise<void> {
  const now = conflict.value;
  if (now === undefined) return;
  const { app, table, id } = now;
  try {
    await ask(app, recordPath(table, id), {
      method: 'PUT',
      body: record,
      headers: { 'if-none-match': '*', 'idempotency-key': newKey() },
    });
    conflict.value = undefined;
    discard(app, table, id);
  } catch (error) {
    say(describeError(error), 'bad');
  }
}
