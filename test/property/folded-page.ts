import type { Identity } from '../../src/auth/identity.ts';
import type { ListQuery } from '../../src/query/index.ts';
import { LINES } from '../support/engine.ts';
import type { PropertyHarness } from './harness.ts';
import { type Line, SlowSink } from './sink.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface Item {
  readonly id: unknown;
  readonly record: Json;
}

export interface FoldedPageOptions {
  /** Parameters of the list. */
  readonly url: string;
  readonly delta?: boolean;
  readonly fast: boolean;
  readonly identity: Identity;
}

/** Client that keeps what a list returns by nothing but the frames of its stream, and compares it at every position. */
export abstract class FoldedPage {
  readonly url: string;
  /** Differences from what a list would have returned. */
  readonly wrongs: string[] = [];
  compared = 0;
  resets = 0;
  sink: SlowSink | undefined;
  protected readonly rig: PropertyHarness;
  protected readonly query: ListQuery;
  protected items: Item[] = [];
  readonly #options: FoldedPageOptions;
  /** Frames of a change or a transaction that is not complete. */
  #waiting: Line[] = [];
  #position: number | undefined;
  #isWhole = false;

  constructor(rig: PropertyHarness, options: FoldedPageOptions) {
    this.url = options.url;
    this.rig = rig;
    this.#options = options;
    this.query = rig.resource('Item').parseList(options.identity, options.url);
    this.open();
  }

  get identity(): Identity {
    return this.#options.identity;
  }

  get list(): readonly Json[] {
    return this.items.map(({ record }) => record);
  }

  get isSettled(): boolean {
    const { subscription, pending } = this.sink ?? {};
    if (subscription === undefined) return true;
    const { state, cursor, group } = subscription;
    const { head } = this.rig.feed;
    return pending === 0 && state === 'live' && cursor === group.endOffset && group.settled(head) === head;
  }

  open(): void {
    if (this.sink !== undefined) return;
    const { identity, delta, fast } = this.#options;
    const resource = this.rig.resource('Item');
    const since = this.#isWhole && this.#position !== undefined ? `&since=${this.#position}` : '';
    if (since === '') this.items = [];
    this.#waiting = [];
    this.sink = new SlowSink((line) => this.#read(line), fast);
    const parameters = `${this.url}${delta ? '&delta=true' : ''}${since}`;
    const query = resource.parseSubscription(identity, parameters, undefined);
    this.sink.subscription = resource.subscribe(query, LINES, this.sink);
  }

  leave(): void {
    if (this.sink?.subscription !== undefined) this.rig.resource('Item').unsubscribe(this.sink.subscription);
    if (this.sink !== undefined) this.sink.closed = true;
    this.sink = undefined;
  }

  /** Applies one frame that is not part of the snapshot. */
  protected abstract apply(line: Line): void;

  /** Compares what the page has with the model at a position. */
  protected abstract compare(seq: number, type: string): void;

  /** Removes an entry, and returns it. */
  protected take(id: unknown): Item | undefined {
    const index = this.items.findIndex((item) => item.id === id);
    return index < 0 ? undefined : this.items.splice(index, 1)[0];
  }

  /** Inserts an entry at the index that its frame names. */
  protected insert(at: unknown, item: Item): void {
    if (typeof at !== 'number' || at > this.items.length) this.wrongs.push(`at ${at} of ${this.items.length}`);
    this.items.splice(at as number, 0, item);
  }

  /** Frames of a change or a transaction are applied when the last of them has come: after a break all are sent again. */
  #read(line: Line): void {
    const { type, seq, id, data, more, tx } = line;
    if (type === 'reset') {
      this.items = [];
      this.#waiting = [];
      this.#isWhole = false;
      this.resets++;
      return;
    }
    if (type === 'Retained') {
      this.items.push({ id, record: data as Json });
      this.#isWhole = false;
      return;
    }
    this.#waiting.push(line);
    if (more === true) return;
    for (const one of this.#waiting.splice(0)) this.apply(one);
    if (type === 'ready') this.#isWhole = true;
    this.#position = seq;
    if (!this.#isWhole) return;
    this.compared++;
    this.compare(typeof tx === 'number' ? tx : seq, type);
  }
}
