import { SERVER } from '../../src/auth/identity.ts';
import type { Change } from '../../src/store/store.ts';
import { LINES } from '../support/engine.ts';
import type { PropertyHarness } from './harness.ts';
import { stateAt } from './model.ts';
import { type Line, SlowSink } from './sink.ts';

type Json = Readonly<Record<string, unknown>>;

/** Subscription of a test, with the meaning of its query. */
export interface MarkedQuery {
  readonly url: string;
  readonly isWindow: boolean;
  /** Records of the list, in the order of a window. */
  list(items: readonly Json[], boards: ReadonlyMap<unknown, Json>): Json[];
}

/**
 * Client that applies the frames of a transaction at once, when the last of them has come, and resumes from there. At
 * every such moment it compares what it has with the list at that position.
 */
export class MarkedPage {
  readonly wrongs: string[] = [];
  compared = 0;
  sink: SlowSink | undefined;
  readonly #rig: PropertyHarness;
  readonly #query: MarkedQuery;
  readonly #fast: boolean;
  #list: Json[] = [];
  #waiting: Line[] = [];
  #position: number | undefined;
  #isWhole = false;

  constructor(rig: PropertyHarness, query: MarkedQuery, fast: boolean) {
    this.#rig = rig;
    this.#query = query;
    this.#fast = fast;
    this.open();
  }

  get isSettled(): boolean {
    const { subscription, pending } = this.sink ?? {};
    if (subscription === undefined) return true;
    const { state, cursor, group } = subscription;
    const { head } = this.#rig.feed;
    return pending === 0 && state === 'live' && cursor === group.endOffset && group.settled(head) === head;
  }

  open(): void {
    if (this.sink !== undefined) return;
    const resource = this.#rig.resource('Item');
    const start = this.#isWhole ? `since=${this.#position}` : 'retained=true';
    if (!this.#isWhole) this.#list = [];
    this.#waiting = [];
    this.sink = new SlowSink((line) => this.#read(line), this.#fast);
    this.sink.subscription = resource.subscribe(
      resource.parseSubscription(SERVER, [this.#query.url, start].filter(Boolean).join('&'), undefined),
      LINES,
      this.sink,
    );
  }

  leave(): void {
    const { sink } = this;
    if (sink === undefined) return;
    // What the server takes for the position of the client must be one that the client has.
    const { subscription } = sink;
    if (subscription !== undefined) this.#rig.resource('Item').unsubscribe(subscription);
    sink.closed = true;
    this.sink = undefined;
  }

  /** Compares at the end: nothing may wait for frames that do not come. */
  checkEnd(): void {
    if (this.#waiting.length > 0) this.wrongs.push(`${this.#query.url}: ${JSON.stringify(this.#waiting)} waits`);
    this.#compare(this.#rig.feed.head);
  }

  #read(line: Line): void {
    const { type, seq, more, tx } = line;
    if (type === 'reset' || type === 'Retained') {
      if (type === 'reset') this.#list = [];
      else this.#list.push(line.data as Json);
      this.#waiting = [];
      this.#isWhole = false;
      return;
    }
    if (type !== 'ready') {
      const [first] = this.#waiting;
      if (first !== undefined && (first.tx ?? first.seq) !== (tx ?? seq)) {
        this.wrongs.push(`${this.#query.url}: ${seq} while ${first.seq} is not complete`);
      }
      this.#waiting.push(line);
      if (more === true) return;
    } else if (this.#waiting.length > 0) this.wrongs.push(`${this.#query.url}: ready in a transaction`);
    for (const one of this.#waiting.splice(0)) this.#apply(one);
    if (type === 'ready') this.#isWhole = true;
    this.#position = seq;
    if (this.#isWhole) this.#compare(typeof tx === 'number' ? tx : seq);
  }

  #apply({ type, id, data, at }: Line): void {
    if (type === 'Publish') return;
    const index = this.#list.findIndex((record) => record.id === id);
    if (index >= 0) this.#list.splice(index, 1);
    if (type !== 'Update') return;
    this.#list.splice(typeof at === 'number' ? at : this.#list.length, 0, data as Json);
  }

  #compare(seq: number): void {
    this.compared++;
    const of = (name: string): readonly Change[] => this.#rig.history.filter(({ table }) => table.name === name);
    const items = [...stateAt(of('Item'), seq).records.values()];
    const wanted = this.#query.list(items, stateAt(of('Board'), seq).records);
    const inOrder = (list: readonly Json[]) => (this.#query.isWindow ? list : list.toSorted(byId));
    const found = JSON.stringify(inOrder(this.#list));
    if (found !== JSON.stringify(inOrder(wanted))) {
      this.wrongs.push(`${this.#query.url} at ${seq}: ${found} instead of ${JSON.stringify(inOrder(wanted))}`);
    }
  }
}

export function byId(one: Json, other: Json): number {
  return String(one.id) < String(other.id) ? -1 : 1;
}
