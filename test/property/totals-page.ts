import type { Identity } from '../../src/auth/identity.ts';
import {
  type AggregateQuery,
  compareSortValues,
  compilePredicate,
  type GroupTotals,
  type JsonRecord,
  type ListQuery,
  listResults,
  positionReader,
  type SortValue,
  sumsWhole,
  toUnits,
} from '../../src/query/index.ts';
import { LINES } from '../support/engine.ts';
import type { PropertyHarness } from './harness.ts';
import { stateAt } from './model.ts';
import { type Line, SlowSink } from './sink.ts';

type Json = Readonly<Record<string, unknown>>;

interface Item {
  readonly id: unknown;
  readonly record: Json;
}

export interface TotalsPageOptions {
  /** Parameters of the list: with `aggregate`, or with `count=true`. */
  readonly url: string;
  readonly fast: boolean;
  readonly identity: Identity;
}

/** Client of live totals: it keeps results, or a number of records, by nothing but the frames, and compares them at every position. */
export class TotalsPage {
  readonly url: string;
  readonly wrongs: string[] = [];
  compared = 0;
  /** Frames that said nothing new. */
  idle = 0;
  sink: SlowSink | undefined;
  total: unknown;
  readonly #rig: PropertyHarness;
  readonly #options: TotalsPageOptions;
  readonly #query: ListQuery;
  #list: Item[] = [];
  /** Frames of a change or a transaction that is not complete. */
  #waiting: Line[] = [];
  #position: number | undefined;
  #isWhole = false;

  constructor(rig: PropertyHarness, options: TotalsPageOptions) {
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
    const resource = this.#rig.resource('Item');
    const since = this.#isWhole && this.#position !== undefined ? `&since=${this.#position}` : '';
    if (since === '') this.#list = [];
    this.#waiting = [];
    this.sink = new SlowSink((line) => this.#read(line), this.#options.fast);
    const query = resource.parseSubscription(this.#options.identity, `${this.url}${since}`, undefined);
    this.sink.subscription = resource.subscribe(query, LINES, this.sink);
  }

  leave(): void {
    if (this.sink?.subscription !== undefined) this.#rig.resource('Item').unsubscribe(this.sink.subscription);
    if (this.sink !== undefined) this.sink.closed = true;
    this.sink = undefined;
  }

  /** Frames of a change or a transaction are applied when the last of them has come: after a break all are sent again. */
  #read(line: Line): void {
    const { type, seq, more, tx } = line;
    if (type === 'reset') {
      this.#list = [];
      this.#waiting = [];
      this.#isWhole = false;
      return;
    }
    if (type === 'Retained') {
      if (line.total !== undefined) this.total = line.total;
      this.#list.push({ id: line.id, record: line.data as Json });
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

  #apply({ type, id, data, at, total }: Line): void {
    if (total !== undefined) this.total = total;
    if ((type !== 'Update' && type !== 'Delete') || this.#query.aggregate === undefined) return;
    const index = this.#list.findIndex((item) => item.id === id);
    const [before] = index < 0 ? [] : this.#list.splice(index, 1);
    if (type === 'Delete') {
      if (before === undefined) this.wrongs.push(`Delete of ${id}, which is not there`);
      return;
    }
    if (typeof at !== 'number' || at > this.#list.length) this.wrongs.push(`at ${at} of ${this.#list.length}`);
    if (JSON.stringify(before?.record) === JSON.stringify(data)) this.idle++;
    this.#list.splice(at as number, 0, { id, record: data as Json });
  }

  #compare(seq: number, type: string): void {
    const records = recordsAt(this.#rig, seq, this.#query);
    const { aggregate, offset, limit } = this.#query;
    const wanted =
      aggregate === undefined
        ? records.length
        : listResults(aggregate, groupsOf(records, aggregate)).slice(offset, offset + limit);
    const found = JSON.stringify(aggregate === undefined ? this.total : this.list);
    this.compared++;
    if (found !== JSON.stringify(wanted)) {
      this.wrongs.push(`${this.url} at ${seq} (${type}): ${found} is not ${JSON.stringify(wanted)}`);
    }
  }
}

function recordsAt(rig: PropertyHarness, seq: number, { filter, sees }: ListQuery): JsonRecord[] {
  const tests = [filter, sees].flatMap((one) => (one === undefined ? [] : [compilePredicate(one)]));
  const records = [...stateAt(rig.history, seq).records.values()] as JsonRecord[];
  return records.filter((record) => tests.every((holds) => holds(record)));
}

/** Totals of records, each time from all of them. */
function groupsOf(records: readonly JsonRecord[], { group, fields }: AggregateQuery): GroupTotals[] {
  const inOrder = (list: readonly { readonly field: AggregateQuery['group'][number] }[]) =>
    positionReader(list.map(({ field }) => ({ field, descending: false })));
  const keyOf = inOrder(group.map((field) => ({ field })));
  const valuesOf = inOrder(fields);
  const byKey = new Map<string, { key: readonly SortValue[]; values: (readonly SortValue[])[] }>();
  if (group.length === 0) byKey.set('', { key: [], values: [] });
  for (const record of records) {
    const key = keyOf(record);
    const name = key.map(String).join('|');
    const known = byKey.get(name) ?? { key, values: [] };
    known.values.push(valuesOf(record));
    byKey.set(name, known);
  }
  return [...byKey.values()].map(({ key, values }) => ({
    key,
    count: values.length,
    fields: fields.map(({ field, sum, ends }, index) => {
      const present = values.flatMap((each) => each[index] ?? []);
      const sorted = ends ? present.toSorted(compareSortValues) : [];
      const units = sum ? present.map((value) => (sumsWhole(field) ? BigInt(value) : toUnits(Number(value)))) : [];
      return {
        count: present.length,
        sum: units.reduce((left, right) => left + right, 0n),
        min: sorted[0] ?? null,
        max: sorted.at(-1) ?? null,
      };
    }),
  }));
}
