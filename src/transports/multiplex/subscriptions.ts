import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { Sink, Subscription } from '../../hub/subscription.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { ListedSubscription } from '../../server/limits/connection-list.ts';
import { type ClientId, makeEncoding, type Wire } from './frames.ts';
import type { SubscriptionRequest } from './requests.ts';

/** A subscription that `parseSubscription` has checked. */
export interface CheckedSubscription {
  readonly request: SubscriptionRequest;
  readonly resource: TableResource;
  readonly query: SubscriptionQuery;
}

interface OpenSubscription extends CheckedSubscription {
  readonly subscription: Subscription;
}

/** The subscriptions of one connection. All of them write to the same sink. */
export class Subscriptions {
  readonly #sink: Sink;
  readonly #wire: Wire;
  readonly #open = new Map<string, OpenSubscription>();

  constructor(sink: Sink, wire: Wire) {
    this.#sink = sink;
    this.#wire = wire;
  }

  get size(): number {
    return this.#open.size;
  }

  has(collection: string, id: ClientId | undefined): boolean {
    return this.#open.has(keyOf(collection, id));
  }

  /** Position up to which everything was written for all of them; undefined without any, or during a snapshot. */
  get position(): number | undefined {
    let lowest: number | undefined;
    for (const { resource, subscription } of this.#open.values()) {
      const position = resource.positionOf(subscription);
      if (position === undefined) return undefined;
      if (lowest === undefined || position < lowest) lowest = position;
    }
    return lowest;
  }

  *listed(): Iterable<ListedSubscription> {
    for (const { request, resource, subscription } of this.#open.values()) {
      yield { resource, rawQuery: request.query, subscription };
    }
  }

  /** Opens a subscription; it replaces one of the same name, and continues it unless it has a start of its own. */
  open({ request, resource, query }: CheckedSubscription): void {
    const key = keyOf(request.collection, request.id);
    const before = this.#open.get(key);
    const continues = before !== undefined && query.since === undefined && query.reset === undefined && !query.retained;
    const start = continues ? restartOf(resource.positionOf(before.subscription)) : {};
    if (before !== undefined) resource.unsubscribe(before.subscription);
    // A client that keeps the state has to be told when its position is lost, also after it has subscribed again.
    const positions = request.positions || (continues && before.request.positions);
    const encoding = makeEncoding({ ...request, positions }, this.#wire);
    const subscription = resource.subscribe({ ...query, ...start }, encoding, this.#sink);
    this.#open.set(key, { request: { ...request, positions }, resource, query, subscription });
  }

  /** Closes a subscription: nothing more is written for it. */
  close(collection: string, id: ClientId | undefined): void {
    const key = keyOf(collection, id);
    const open = this.#open.get(key);
    if (open === undefined) return;
    this.#open.delete(key);
    open.resource.unsubscribe(open.subscription);
  }

  closeAll(): void {
    for (const { resource, subscription } of this.#open.values()) resource.unsubscribe(subscription);
    this.#open.clear();
  }

  /** Checks all of them against changed rights. Closes those that are not allowed any more, and returns them. */
  reauthorize(identity: Identity): SubscriptionRequest[] {
    const lost: SubscriptionRequest[] = [];
    for (const { request, resource, query, subscription } of [...this.#open.values()]) {
      const now = this.#check(request, resource, identity);
      if (now === undefined) {
        this.close(request.collection, request.id);
        lost.push(request);
      } else if (now.selection.key !== query.selection.key) {
        this.open({ request, resource, query: restarted(request, now, resource.positionOf(subscription)) });
      }
    }
    return lost;
  }

  drained(): void {
    // One of them at most has the lock and waits; the others do nothing.
    for (const { subscription } of this.#open.values()) subscription.drained();
  }

  #check({ query }: SubscriptionRequest, resource: TableResource, identity: Identity): SubscriptionQuery | undefined {
    try {
      return resource.parseSubscription(identity, query, undefined);
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }
}

/** Start of a subscription that continues another one. In a snapshot there is no position: the state is sent from its beginning. */
function restartOf(position: number | undefined): Pick<SubscriptionQuery, 'since' | 'reset'> {
  return position === undefined ? { reset: 'interrupted' } : { since: position };
}

/** The query after a change of rights: a client that keeps the state gets all of it again, others continue. */
function restarted(
  { positions }: SubscriptionRequest,
  { since: _, ...query }: SubscriptionQuery,
  position: number | undefined,
): SubscriptionQuery {
  if (positions) return { ...query, reset: 'rights_changed' };
  return position === undefined ? query : { ...query, since: position };
}

function keyOf(collection: string, id: ClientId | undefined): string {
  return JSON.stringify([collection, id]);
}
