import { computed, type ReadonlySignal, signal } from '@preact/signals';
import type { Id, Rec } from '../grid/segment.ts';
import { ask, seqOf } from '../state/http.ts';
import { keepValue, readKept } from '../state/settings.ts';
import { isEqual } from '../state/text.ts';

/** Changes of one record that are not saved. */
export interface Draft {
  readonly id: Id;
  /** Values of the changed fields as they were when the change began. */
  readonly base: Rec;
  /** Position of the record then; undefined until it is known. */
  readonly seq: number | undefined;
  readonly changes: Rec;
  /** What the server found wrong, by field. */
  readonly errors?: Readonly<Record<string, string>>;
}

type Drafts = ReadonlyMap<Id, Draft>;

const all = signal<ReadonlyMap<string, Drafts>>(new Map());
const NONE: Drafts = new Map();

const nameOf = (app: string, table: string) => `${app}/${table}`;

/** Drafts of a table; they outlive a reload of the tab. */
export function draftsOf(app: string, table: string): ReadonlySignal<Drafts> {
  const name = nameOf(app, table);
  if (!all.peek().has(name)) {
    const kept = readKept<readonly Draft[]>(`drafts.${name}`, sessionStorage) ?? [];
    all.value = new Map(all.peek()).set(name, new Map(kept.map((draft) => [draft.id, draft])));
  }
  return computed(() => all.value.get(name) ?? NONE);
}

export function draftOf(app: string, table: string, id: Id): Draft | undefined {
  return draftsOf(app, table).peek().get(id);
}

export function hasDrafts(): boolean {
  return [...all.value.values()].some((drafts) => drafts.size > 0);
}

function store(app: string, table: string, change: (drafts: Map<Id, Draft>) => void): void {
  const name = nameOf(app, table);
  const drafts = new Map(draftsOf(app, table).peek());
  change(drafts);
  all.value = new Map(all.peek()).set(name, drafts);
  keepValue(`drafts.${name}`, drafts.size === 0 ? undefined : [...drafts.values()], sessionStorage);
}

export function discard(app: string, table: string, id: Id): void {
  store(app, table, (drafts) => drafts.delete(id));
}

export function discardAll(app: string, table: string): void {
  store(app, table, (drafts) => drafts.clear());
}

export function putDraft(app: string, table: string, draft: Draft): void {
  store(app, table, (drafts) => drafts.set(draft.id, draft));
}

/** Takes a field back to what it was. */
export function discardField(app: string, table: string, id: Id, name: string): void {
  const draft = draftOf(app, table, id);
  if (draft === undefined) return;
  const { [name]: _value, ...changes } = draft.changes;
  if (Object.keys(changes).length === 0) discard(app, table, id);
  else putDraft(app, table, { ...draft, changes });
}

/** Notes a change of a field, from the value that was shown. One that changes nothing is none. */
export function change(
  app: string,
  table: string,
  id: Id,
  edit: { name: string; shown: unknown; value: unknown },
): void {
  const { name, shown, value } = edit;
  const draft = draftOf(app, table, id);
  const base = draft !== undefined && Object.hasOwn(draft.base, name) ? draft.base[name] : shown;
  if (isEqual(base ?? null, value)) {
    discardField(app, table, id, name);
    return;
  }
  const errors = { ...draft?.errors };
  delete errors[name];
  putDraft(app, table, {
    id,
    seq: draft?.seq,
    base: { ...draft?.base, [name]: base },
    changes: { ...draft?.changes, [name]: value },
    errors,
  });
  if (draft?.seq === undefined) void learnSeq(app, table, id);
}

/** Asks where the record stands: a save holds only as long as it is there. */
async function learnSeq(app: string, table: string, id: Id): Promise<void> {
  const answer = await ask<Rec>(app, recordPath(table, id)).catch(() => undefined);
  const draft = draftOf(app, table, id);
  const seq = answer && seqOf(answer.headers);
  if (draft === undefined || draft.seq !== undefined || answer === undefined || seq === undefined) return;
  // What was shown may have been older: then this is no position to save from, and the save compares.
  const isSame = Object.entries(draft.base).every(([name, value]) => isEqual(answer.data[name] ?? null, value ?? null));
  if (isSame) putDraft(app, table, { ...draft, seq });
}

export function recordPath(table: string, id: Id): string {
  return `${encodeURIComponent(table)}/${encodeURIComponent(id)}`;
}
