import type { Identity } from '../../src/auth/identity.ts';
import { LINES } from '../support/engine.ts';
import type { PropertyHarness } from './harness.ts';
import { type Line, SlowSink } from './sink.ts';

export interface PageOptions {
  readonly filter: string;
  readonly select: string;
  readonly delta: boolean;
  readonly identity: Identity;
  /** Position to begin at, instead of what is stored. */
  readonly since?: number;
  readonly onPublish?: (data: unknown) => void;
}

type Json = Readonly<Record<string, unknown>>;

/** Client that knows nothing but its URL: it folds the frames and reconnects with its last position. */
export class Page {
  readonly url: string;
  identity: Identity;
  readonly records = new Map<unknown, Json>();
  readonly #rig: PropertyHarness;
  readonly #parameters: string;
  readonly #onPublish: (data: unknown) => void;
  #wasAway = false;
  #position: number | undefined;
  #sink: SlowSink | undefined;

  /** Frames that it received and should not have. */
  readonly wrongs: string[] = [];
  resets = 0;

  constructor(rig: PropertyHarness, { filter, select, delta, identity, since, onPublish }: PageOptions) {
    this.#rig = rig;
    this.identity = identity;
    this.#position = since;
    this.#onPublish = onPublish ?? (() => {});
    this.url = [filter, select].filter(Boolean).join('&');
    this.#parameters = `${this.url}&retained=true${delta ? '&delta=true' : ''}`;
    this.open();
  }

  get isOpen(): boolean {
    return this.#sink !== undefined;
  }

  /** True when everything for it was sent. */
  get isSettled(): boolean {
    const { subscription } = this.#sink ?? {};
    if (subscription === undefined) return true;
    const { state, cursor, group } = subscription;
    const { head } = this.#rig.feed;
    return state === 'live' && cursor === group.endOffset && group.settled(head) >= head;
  }

  open(): void {
    if (this.isOpen) return;
    const resource = this.#rig.resource('Item');
    const since = this.#position === undefined ? '' : `&since=${this.#position}`;
    this.#sink = new SlowSink((line) => this.#read(line));
    this.#sink.subscription = resource.subscribe(
      resource.parseSubscription(this.identity, this.#parameters + since, undefined),
      LINES,
      this.#sink,
    );
  }

  /** Called when the caller has other rights now. */
  reauthorize(identity: Identity): void {
    const { subscription } = this.#sink ?? {};
    if (this.#sink === undefined || subscription === undefined) return;
    this.identity = identity;
    this.#sink.subscription = this.#rig.resource('Item').reauthorize(subscription, identity, this.#parameters);
  }

  leave(): void {
    this.#wasAway = true;
    if (this.#sink?.subscription !== undefined) this.#rig.resource('Item').unsubscribe(this.#sink.subscription);
    this.#sink = undefined;
  }

  #read({ type, seq, id, data, changed }: Line): void {
    if (type === 'reset') {
      this.records.clear();
      this.resets++;
    }
    if (type === 'Delete') {
      // A client that never had the record must not learn of it; one that was away may have missed that it had it.
      if (!this.records.delete(id) && !this.#wasAway) this.wrongs.push(`Delete of ${String(id)}`);
    } else if (type === 'Retained' || (type === 'Update' && changed === undefined)) this.records.set(id, data as Json);
    else if (type === 'Update') this.records.set(id, { ...this.records.get(id), ...(data as Json) });
    if (type === 'Publish') this.#onPublish(data);
    if (type !== 'Retained' && type !== 'reset') this.#position = seq;
  }
}
