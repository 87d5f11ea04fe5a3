import type { Identity } from '../../auth/identity.ts';
import type { Encoding } from '../../hub/encode.ts';
import type { Sink, Subscription } from '../../hub/subscription.ts';
import type { ListQuery } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Awaitable, IdempotencyKey, ListPage, RecordKey, WriteOutcome } from '../../store/store.ts';
import type { BatchBody } from '../body/batch-body.ts';
import type { SubscriptionQuery } from '../subscription-query.ts';
import { TableReads } from './reads.ts';
import { TableStreams } from './streams.ts';
import type { Column, Counters, FoundRecord, Published, ResourceContext, WriteOptions } from './types.ts';
import { TableWrites } from './writes.ts';

/** Access to one table. Requests of every transport are checked here (access, then validation) and nowhere else. */
export class TableResource {
  readonly table: TablePlan;
  readonly counters: Counters = { reads: 0, cached: 0, writes: 0, messages: 0, refused: 0 };
  readonly streams: TableStreams;
  protected readonly writes: TableWrites;
  readonly #reads: TableReads;
  readonly #context: ResourceContext;

  constructor(table: TablePlan, context: ResourceContext) {
    this.table = table;
    this.streams = context.streams ?? new TableStreams();
    this.writes = new TableWrites(table, context, this.counters);
    this.#reads = new TableReads(table, context, this.counters);
    this.#context = context;
  }

  /** Last seq of the log: a read now includes everything up to it. */
  get head(): number {
    return this.#context.store.lastSeq;
  }

  /** True when a record of this seq has the same JSON as when it was sent: no schema change has altered it since. */
  isTrueTo(seq: number): boolean {
    return seq > this.#context.store.layoutSeq(this.table);
  }

  get maxIdLength(): number {
    return this.#context.limits.id;
  }

  /** Returns a record, or undefined. The raw query string may have `select`. Throws INVALID_QUERY. */
  get(identity: Identity, id: RecordKey, rawQuery = ''): Awaitable<FoundRecord | undefined> {
    return this.#reads.get(identity, id, rawQuery);
  }

  /** Returns the records that the raw query string asks for. Throws INVALID_QUERY or SCAN_TOO_LARGE. */
  list(identity: Identity, rawQuery: string): Awaitable<ListPage> {
    return this.readList(this.parseList(identity, rawQuery));
  }

  /** Parses the query of `list`. Throws as `list`. */
  parseList(identity: Identity, rawQuery: string): ListQuery {
    return this.#reads.parseList(identity, rawQuery);
  }

  readList(query: ListQuery): Awaitable<ListPage> {
    return this.#reads.readList(query);
  }

  /** Returns a version that changes whenever the result of the query may change. */
  versionOf(query: ListQuery, identity: Identity): string {
    return this.#reads.versionOf(query, identity);
  }

  /** Returns the members of the records of a list or record with this raw query, in order. Throws INVALID_QUERY. */
  columnsOf(identity: Identity, rawQuery: string): readonly Column[] {
    return this.#reads.columnsOf(identity, rawQuery);
  }

  /** Stores a new record; without an id a UUIDv7 is generated. Throws CONFLICT when its id exists. */
  create(identity: Identity, body: unknown, once?: IdempotencyKey): Promise<WriteOutcome> {
    return this.writes.create(identity, body, once);
  }

  /** Stores new records, all or none, in order. */
  createMany(
    identity: Identity,
    bodies: readonly unknown[] | BatchBody,
    once?: IdempotencyKey,
  ): Promise<readonly WriteOutcome[]> {
    return this.writes.createMany(identity, bodies, once);
  }

  /** Creates or replaces a record. Without `id` the record's own is used, or one is generated. */
  put(identity: Identity, id: RecordKey | undefined, body: unknown, options?: WriteOptions): Promise<WriteOutcome> {
    return this.writes.put(identity, id, body, options);
  }

  /** Replaces the given fields. Throws NOT_FOUND. */
  patch(identity: Identity, id: RecordKey, body: unknown, options?: WriteOptions): Promise<WriteOutcome> {
    return this.writes.patch(identity, id, body, options);
  }

  /** Removes a record. Throws NOT_FOUND. */
  delete(identity: Identity, id: RecordKey, options?: WriteOptions): Promise<WriteOutcome> {
    return this.writes.delete(identity, id, options);
  }

  /**
   * Replaces the given fields of every record that the raw query string's filter matches, all or none; the outcome's
   * `json` has the numbers. Throws INVALID_QUERY without a filter or `all=true`, BAD_REQUEST beyond `limits.bulk`.
   */
  patchMany(identity: Identity, rawQuery: string, body: unknown, once?: IdempotencyKey): Promise<WriteOutcome> {
    return this.writes.patchMany(identity, rawQuery, body, once);
  }

  /** Removes every record that the raw query string's filter matches, all or none. Throws as `patchMany`. */
  deleteMany(identity: Identity, rawQuery: string, once?: IdempotencyKey): Promise<WriteOutcome> {
    return this.writes.deleteMany(identity, rawQuery, once);
  }

  /**
   * Sends a message to the record's and the table's channel, or without an id to the table's alone. It is in the log,
   * so that it is resumed, but not among the records. Resolves with the number of subscriptions that receive it.
   */
  publish(identity: Identity, id: RecordKey | null, data: unknown, once?: IdempotencyKey): Promise<Published> {
    return this.writes.publish(identity, id, data, once);
  }

  /** Checks a subscription's query before anything is opened. Throws INVALID_QUERY, INVALID_POSITION or FORBIDDEN. */
  parseSubscription(identity: Identity, rawQuery: string, id: RecordKey | undefined): SubscriptionQuery {
    return this.#reads.parseSubscription(identity, rawQuery, id);
  }

  /** Opens the subscription that `parseSubscription` has checked. */
  subscribe(query: SubscriptionQuery, encoding: Encoding, sink: Sink): Subscription {
    return this.#context.hub.subscribe({ ...query, table: this.table, encoding, sink });
  }

  /**
   * Applies the subscriber's current rights. Returns the same subscription when it includes the same records, else
   * another one that begins with `reset`. Throws as `parseSubscription` when the subscriber has lost its rights.
   */
  reauthorize(subscription: Subscription, identity: Identity, rawQuery: string): Subscription {
    const query = this.parseSubscription(identity, rawQuery, subscription.id);
    const { group, sink } = subscription;
    if (query.selection.key === group.selection.key) return subscription;
    this.unsubscribe(subscription);
    const { hub } = this.#context;
    return hub.subscribe({ ...query, table: this.table, encoding: group.encoding, sink, reset: 'rights_changed' });
  }

  /**
   * Returns the seq up to which everything was written to the subscription's sink, or is not for it; undefined during a
   * snapshot.
   */
  positionOf(subscription: Subscription): number | undefined {
    return this.#context.hub.positionOf(subscription);
  }

  unsubscribe(subscription: Subscription): void {
    this.#context.hub.unsubscribe(subscription);
  }
}
