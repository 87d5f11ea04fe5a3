import type { Identity } from '../../src/auth/identity.ts';
import { compilePredicate, type ListQuery, visibleFields } from '../../src/query/index.ts';
import type { TablePlan } from '../../src/schema/plan.ts';
import type { Change } from '../../src/store/store.ts';
import { LINES } from '../support/engine.ts';
import type { PropertyHarness } from './harness.ts';
import { stateAt } from './model.ts';
import { type Line, SlowSink } from './sink.ts';

type Json = Readonly<Record<string, unknown>>;

interface Item {
  readonly id: unknown;
  readonly record: Json;
}

export interface WindowPageOptions {
  /** Parameters of the list. */
  readonly url: string;
  readonly delta: boolean;
  readonly fast: boolean;
  readonly identity: Identity;
}

/** Client of a window: it keeps a list by nothing but the frames, and compares it at every position with the model. */
export class WindowPage {
  readonly url: string;
  /** Differences from what a list would have returned. */
  readonly wrongs: string[] = [];
  compared = 0;
  resets = 0;
  sink: SlowSink | undefined;
  readonly #rig: PropertyHarness;
  readonly #options: WindowPageOptions;
  readonly #query: ListQuery;
  #list: Item[] = [];
  /** Frames of a change or a transaction that is not complete. */
  #waiting: Line[] = [];
  #position: number | undefined;
  #isWhole = false;

  constructor(rig: PropertyHarness, options: WindowPageOptions) {
    this.url = options.url;
    this.#rig = rig;
    this.#options = options;
    this.#query = rig.resource('Item').parseList(options.identity, options.url);
    this.open();
  }

  get list(): readonly Json[] {
    return this.#list.map(({ record }) => record);
  }

  get isSettled(): boolean {
    const { subscription, pending } = this.sink ?? {};
    if (subscription === undefined) return true;
    return (
      pending === 0 &&
      subscription.state === 'live' &&
      subscription.cursor === subscription.group.endOffset &&
      subscription.group.settled(this.#rig.feed.head) === this.#rig.feed.head
    );
  }

  open(): void {
    if (this.sink !== undefined) return;
    const { identity, delta, fast } = this.#options;
    const resource = this.#rig.resource('Item');
    const since = this.#isWhole && this.#position !== undefined ? `&since=${this.#position}` : '';
    if (since === '') this.#list = [];
    this.#waiting = [];
    this.sink = new SlowSink((line) => this.#read(line), fast);
    this.sink.subscription = resource.subscribe(
      resource.parseSubscription(identity, `${this.url}${delta ? '&delta=true' : ''}${since}`, undefined),
      LINES,
      this.sink,
    );
  }

  leave(): void {
    if (this.sink?.subscription !== undefined) this.#rig.resource('Item').unsubscribe(this.sink.subscription);
    if (this.sink !== undefined) this.sink.closed = true;
    this.sink = undefined;
  }

  /** Frames of a change or a transaction are applied when the last of them has come: after a break all are sent again. */
  #read(line: Line): void {
    const { type, seq, id, data, more, tx } = line;
    if (type === 'reset') {
      this.#list = [];
      this.#waiting = [];
      this.#isWhole = false;
      this.resets++;
      return;
    }
    if (type === 'Retained') {
      this.#list.push({ id, record: data as Json });
      this.#isWhole = false;
      return;
    }
    this.#waiting.push(line);
    if (more === true) return;
    for (const one of this.#waiting.splice(0)) this.#apply(one);
    if (type === 'ready') this.#isWhole = true;
    this.#position = seq;
    if (this.#isWhole) this.#compare(typeof tx === 'number' ? tx : seq, type);
  }

  #apply({ type, id, data, changed, at }: Line): void {
    if (type !== 'Update' && type !== 'Delete') return;
    const index = this.#list.findIndex((item) => item.id === id);
    const [before] = index < 0 ? [] : this.#list.splice(index, 1);
    if (type === 'Delete') return;
    if (typeof at !== 'number' || at > this.#list.length) this.wrongs.push(`at ${at} of ${this.#list.length}`);
    const record = changed === undefined ? (data as Json) : { ...before?.record, ...(data as Json) };
    this.#list.splice(at as number, 0, { id, record });
  }

  #compare(seq: number, type: string): void {
    const wanted = listAt(this.#rig.history, seq, { query: this.#query, table: this.#rig.table('Item') });
    const found = JSON.stringify(this.list);
    this.compared++;
    if (found !== JSON.stringify(wanted)) {
      this.wrongs.push(`${this.url} at ${seq} (${type}): ${found} is not ${JSON.stringify(wanted)}`);
    }
  }
}

/** Returns what a list would have returned at a position. */
export function listAt(
  history: readonly Change[],
  seq: number,
  { query, table }: { readonly query: ListQuery; readonly table: TablePlan },
): Json[] {
  const { filter, sees, sort, offset, limit, cursor, select } = query;
  const tests = [filter, sees].flatMap((one) => (one === undefined ? [] : [compilePredicate(one)]));
  const isKey = ({ field }: { readonly field: unknown }) => field === table.primaryKey;
  // Nothing is equal in its key.
  const order = [...sort, { field: table.primaryKey, descending: false }].filter(
    (_, index, all) => !all.slice(0, index).some(isKey),
  );
  const compare = (a: Json, b: Json): number => {
    for (const { field, descending } of order) {
      const difference = compareValues(a[field.name], b[field.name]);
      if (difference !== 0) return descending ? -difference : difference;
    }
    return 0;
  };
  const end = cursor && Object.fromEntries(cursor.map((value, index) => [order[index]?.field.name, value]));
  const fields = (select?.fields ?? visibleFields(table)).map(({ name }) => name);
  return [...stateAt(history, seq).records.values()]
    .filter((record) => tests.every((holds) => holds(record as never)))
    .filter((record) => end === undefined || compare(record, end as Json) > 0)
    .sort(compare)
    .slice(offset, offset + limit)
    .map((record) => Object.fromEntries(fields.map((name) => [name, record[name] ?? null])));
}

function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : -1;
  if (b === null || b === undefined) return 1;
  if (typeof a === 'string' && typeof b === 'string' && !isDigits(a) && !isDigits(b)) {
    return Buffer.compare(Buffer.from(a), Buffer.from(b));
  }
  const [x, y] = [exact(a), exact(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** True for a Long beyond what a number has: the texts of the tests are never so long. */
function isDigits(text: string): boolean {
  return /^-?\d{16,}$/.test(text);
}

function exact(value: unknown): number | bigint {
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'string' ? BigInt(value) : (value as number);
}
