import type { Identity } from '../../../auth/identity.ts';
import { AppError } from '../../../errors.ts';
import type { FullEncoding } from '../../../hub/encode.ts';
import type { SubscriptionQuery } from '../../../resources/subscription-query.ts';
import type { TableResource } from '../../../resources/table/resource.ts';
import type { ListedSubscription } from '../../../server/limits/connection-list.ts';
import type { LiveId } from '../codec.ts';
import { type CommitScope, ConnectionCommits } from '../commits.ts';
import { makeLiveEncoding } from '../encoding.ts';
import type { Credit } from './credit.ts';
import { type LiveOutput, LiveSubscription, type LiveSubscriptionOptions } from './subscription.ts';

/** A subscription that was checked. */
export interface CheckedLive extends Omit<LiveSubscriptionOptions, 'output' | 'refused'> {
  readonly query: SubscriptionQuery;
}

/** The subscriptions of one connection. */
export class LiveSubscriptions implements CommitScope {
  readonly #output: LiveOutput;
  readonly #encoding: FullEncoding;
  readonly #commits: ConnectionCommits;
  readonly #lost: (id: LiveId, error: AppError) => void;
  readonly #open = new Map<LiveId, LiveSubscription>();
  readonly #byTable = new Map<TableResource, Set<LiveSubscription>>();

  /** `lost` is called when a subscription has ended because its query is refused from now on. */
  constructor(output: LiveOutput, lost: (id: LiveId, error: AppError) => void) {
    this.#output = output;
    this.#lost = lost;
    this.#encoding = makeLiveEncoding(output.codec);
    this.#commits = new ConnectionCommits(this, (tx) =>
      output.send(output.codec.encode({ type: 'commit', tx: String(tx) })),
    );
    output.onTransaction = (tx) => this.#commits.opens(tx);
  }

  get isShared(): boolean {
    return this.#open.size > 1;
  }

  reached(): number {
    let reached = Number.POSITIVE_INFINITY;
    for (const { resource, subscription, isStarved } of this.#open.values()) {
      if (isStarved || subscription === undefined) continue;
      reached = Math.min(reached, resource.positionOf(subscription) ?? reached);
    }
    return reached;
  }

  get size(): number {
    return this.#open.size;
  }

  has(id: LiveId): boolean {
    return this.#open.has(id);
  }

  *listed(): Iterable<ListedSubscription> {
    for (const { resource, rawQuery, subscription } of this.#open.values()) {
      if (subscription !== undefined) yield { resource, rawQuery, subscription };
    }
  }

  /** Opens a subscription, which replaces one with the same id. `confirm` is called before anything is written for it. */
  open({ query, ...checked }: CheckedLive, confirm: () => void): void {
    this.close(checked.id);
    confirm();
    const live = new LiveSubscription({
      ...checked,
      output: this.#output,
      refused: (subscription, error) => this.#refuse(subscription, error),
    });
    this.#open.set(live.id, live);
    this.#enter(live);
    live.subscription = live.resource.subscribe(query, this.#encoding, live);
  }

  /** Closes a subscription: nothing is written for it after this. */
  close(id: LiveId): void {
    const live = this.#open.get(id);
    if (live === undefined) return;
    this.#open.delete(id);
    live.close();
    this.#leave(live);
  }

  closeAll(): void {
    for (const live of this.#open.values()) live.close();
    this.#open.clear();
    this.#byTable.clear();
    this.#commits.close();
  }

  /** Adds credit to a subscription, if it is there. */
  grant(id: LiveId, credit: Credit): void {
    this.#open.get(id)?.grant(credit);
  }

  /** Leaves a change that the client made out of its subscriptions with `echo=false`. */
  mute(resource: TableResource, seq: number): void {
    for (const { subscription } of this.#byTable.get(resource) ?? []) subscription?.mute(seq);
  }

  drained(): void {
    for (const live of this.#open.values()) live.drained();
  }

  /** Applies changed rights. Closes the subscriptions that are not allowed any more, and returns them with the reason. */
  reauthorize(identity: Identity): (readonly [LiveId, AppError])[] {
    const lost: (readonly [LiveId, AppError])[] = [];
    this.#output.flush();
    for (const live of [...this.#open.values()]) {
      const { subscription, resource, rawQuery } = live;
      if (subscription === undefined) continue;
      try {
        live.subscription = resource.reauthorize(subscription, identity, rawQuery);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        this.close(live.id);
        lost.push([live.id, error]);
      }
    }
    return lost;
  }

  #refuse(live: LiveSubscription, error: AppError): void {
    if (this.#open.get(live.id) !== live) return;
    this.close(live.id);
    this.#lost(live.id, error);
  }

  #enter(live: LiveSubscription): void {
    const others = this.#byTable.get(live.resource) ?? new Set();
    others.add(live);
    this.#byTable.set(live.resource, others);
    this.#setAlone();
  }

  #leave(live: LiveSubscription): void {
    const others = this.#byTable.get(live.resource);
    others?.delete(live);
    if (others?.size === 0) this.#byTable.delete(live.resource);
    this.#setAlone();
  }

  /** Only several subscriptions can receive the same change or transaction; what was delivered for one is sent first. */
  #setAlone(): void {
    this.#output.flush();
    if (this.#open.size > 2) return;
    for (const live of this.#open.values()) live.isAlone = this.#open.size === 1;
  }
}
