import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { Sink, Subscription } from '../../hub/subscription.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { type ClientId, makeEncoding, type Wire } from './frames.ts';
import type { SubscriptionRequest } from './requests.ts';

/** A subscription that `parseSubscription` has checked. */
export interface Checked {
  readonly request: SubscriptionRequest;
  readonly resource: TableResource;
  readonly query: SubscriptionQuery;
}

interface Open extends Checked {
  readonly subscription: Subscription;
}

/** The subscriptions of one connection. All of them write to the same sink. */
export class Subscriptions {
  readonly #sink: Sink;
  readonly #wire: Wire;
  readonly #open = new Map<string, Open>();

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

  /** Everything up to this seq was written for all of them; undefined when there are none, or during a snapshot. */
  get position(): number | undefined {
    let least: number | undefined;
    for (const { resource, subscription } of this.#open.values()) {
      const position = resource.positionOf(subscription);
      if (position === undefined) return undefined;
      if (least === undefined || position < least) least = position;
    }
    return least;
  }

  /** Opens one, or puts it in the place of the one of the same name, which it continues unless it says where it begins. */
  open({ request, resource, query }: Checked): void {
    const key = keyOf(request.collection, request.id);
    const before = this.#open.get(key);
    const goesOn = before !== undefined && query.since === undefined && query.reset === undefined && !query.retained;
    const since = goesOn ? { since: resource.positionOf(before.subscription) ?? before.subscription.position } : {};
    if (before !== undefined) resource.unsubscribe(before.subscription);
    const encoding = makeEncoding(request, this.#wire);
    const subscription = resource.subscribe({ ...query, ...since }, encoding, this.#sink);
    this.#open.set(key, { request, resource, query, subscription });
  }

  /** Nothing more is written for it after this. */
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

  /** The rights of the client have changed: gives those that it may not have any more, which are closed. */
  judge(identity: Identity): SubscriptionRequest[] {
    const lost: SubscriptionRequest[] = [];
    for (const { request, resource, query, subscription } of [...this.#open.values()]) {
      const now = this.#check(request, resource, identity);
      if (now === undefined) {
        this.close(request.collection, request.id);
        lost.push(request);
      } else if (now.selection.key !== query.selection.key) {
        this.open({ request, resource, query: judged(request, now, resource.positionOf(subscription)) });
      }
    }
    return lost;
  }

  drained(): void {
    // One of them at most has the lane and waits; the others look at nothing.
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

/** A client that keeps the state is told all of it as it sees it now; one that follows the events goes on from where it is. */
function judged(
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
