import type { Id, Rec } from '../grid/segment.ts';
import { ask, newKey, type TablecastError } from '../state/http.ts';
import { schema, tableOf } from '../state/schema.ts';
import { writable } from './values.ts';

/** Outcome of taking back writes of many records. */
export interface TakenBack {
  /** Records that are as they were. */
  readonly undone: number;
  /** Records that are left as they are: they were changed since, or cannot be written. */
  readonly left: number;
  /** Positions of the writes that took them back. */
  readonly positions: readonly number[];
}

interface Entry {
  readonly seq: number;
  readonly table: string;
  readonly id: Id;
  readonly op: string;
  readonly before: Rec | null;
  readonly transaction?: number;
}

/** What a transaction has done to one record. */
interface Effect {
  readonly table: string;
  readonly id: Id;
  /** Position of the record since; undefined where it was deleted. */
  readonly seq: number | undefined;
  /** Earlier values of its fields; undefined where it was not there. */
  readonly before: Rec | undefined;
}

interface Step {
  readonly op: 'put' | 'patch' | 'delete';
  readonly table: string;
  readonly id: Id;
  readonly data?: Rec;
  readonly if_seq: number | null;
}

const PAGE = 1_000;
/** Steps of one request: fewer than `limits.transaction` allows. */
const BATCH = 500;
/** Refused records after which no more are tried. */
const MAX_LEFT = 200;

/** Whether this caller may read the log, which has what was before. */
export function canTakeBackMany(): boolean {
  return schema.value?.admin === true;
}

/**
 * Takes back transactions by the positions of one of their changes, the newest first: each record that is as the transaction
 * left it gets back what it was, the others are left alone. Throws an error where the log does not reach back.
 */
export async function takeBackMany(app: string, positions: readonly number[]): Promise<TakenBack> {
  const result = { undone: 0, left: 0, positions: [] as number[] };
  for (const position of positions.toReversed()) {
    const effects = await readEffects(app, position);
    const steps = effects.flatMap((effect) => inverseOf(effect) ?? []);
    result.left += effects.length - steps.length;
    for (let at = 0; at < steps.length; at += BATCH) await send(app, steps.slice(at, at + BATCH), result);
  }
  return result;
}

/** Reads what the transaction of a change has done, its last change first. */
async function readEffects(app: string, position: number): Promise<readonly Effect[]> {
  const [first] = (await readLog(app, `since=${position - 1}&limit=1`)).entries;
  if (first?.seq !== position) throw new Error('The log does not reach back to it any more.');
  const end = first.transaction ?? first.seq;
  const effects = new Map<string, Effect>();
  for (let before: number | null = end + 1; before !== null; ) {
    const page = await readLog(app, `before=${before}&limit=${PAGE}`);
    for (const entry of page.entries) {
      if ((entry.transaction ?? entry.seq) !== end) return [...effects.values()];
      if (entry.op === 'publish') continue;
      const key = JSON.stringify([entry.table, entry.id]);
      effects.set(key, join(effects.get(key), entry));
    }
    before = page.next;
  }
  return [...effects.values()];
}

async function readLog(app: string, search: string) {
  const { data } = await ask<{ entries: readonly Entry[]; next: number | null }>(app, `_/admin/log?${search}`);
  return data;
}

/** Adds an earlier change of the same record. */
function join(later: Effect | undefined, { table, id, seq, op, before }: Entry): Effect {
  return {
    table,
    id,
    seq: later === undefined ? (op === 'delete' ? undefined : seq) : later.seq,
    before: op === 'create' ? undefined : { ...later?.before, ...before },
  };
}

/** Step that makes a record what it was; undefined where that cannot be written. */
function inverseOf({ table, id, seq, before }: Effect): Step | undefined {
  const known = tableOf(table);
  if (known === undefined) return undefined;
  if (before === undefined) return seq === undefined ? undefined : { op: 'delete', table, id, if_seq: seq };
  const data = writable(known, before);
  return seq === undefined
    ? { op: 'put', table, id, data, if_seq: null }
    : { op: 'patch', table, id, data, if_seq: seq };
}

/** Sends steps in one transaction. Where it is refused, halves are sent, until the record that is another one now is alone. */
async function send(
  app: string,
  steps: readonly Step[],
  result: { undone: number; left: number; positions: number[] },
): Promise<void> {
  if (result.left > MAX_LEFT) {
    result.left += steps.length;
    return;
  }
  try {
    const { data } = await ask<{ seq: number }>(app, '_/transaction', {
      method: 'POST',
      body: { steps },
      headers: { 'idempotency-key': newKey() },
    });
    result.undone += steps.length;
    result.positions.push(data.seq);
  } catch (thrown) {
    const { status } = thrown as TablecastError;
    const isAboutRecords = status >= 400 && status < 500 && ![401, 403, 429].includes(status);
    if (!isAboutRecords) throw thrown;
    if (steps.length === 1) {
      result.left++;
      return;
    }
    const middle = steps.length >> 1;
    await send(app, steps.slice(0, middle), result);
    await send(app, steps.slice(middle), result);
  }
}
