import type { Identity } from '../../auth/identity.ts';
import type { Encoding } from '../../hub/encode.ts';
import { relatedOfRecord, type Selection, selectRecord } from '../../hub/selection.ts';
import type { Sink, Subscription } from '../../hub/subscription.ts';
import { firstRecords } from '../../hub/windows/held-records.ts';
import { LIST_PARAMETERS, type ListQuery, listResults, parseQueryFor, type ReadPolicy } from '../../query/index.ts';
import { thenOrNow } from '../../runtime/event-loop.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { settleRelated } from '../../store/rows/related.ts';
import type { Awaitable, ListPage, RecordKey, StoredRecord } from '../../store/store.ts';
import { isJson } from '../body/batch-body.ts';
import { QueryCache } from '../read-caches.ts';
import { makeSelection } from '../selections.ts';
import { parseRecordQuery, parseSubscription, type SubscriptionQuery } from '../subscription-query.ts';
import { TableStreams } from './streams.ts';
import type { Column, FoundRecord, ResourceContext } from './types.ts';
import { TableWrites } from './writes.ts';

/** Fields of one record that a query selects, and the other tables in it. */
interface RecordQuery extends Pick<ListQuery, 'related' | 'dependencies'> {
  readonly selection: Selection;
}

/**
 * Access to one table: reads and subscriptions here, writes in the base class. Requests of every transport are checked in
 * the two (access, then validation) and nowhere else.
 */
export class TableResource extends TableWrites {
  readonly streams: TableStreams;
  readonly #queries = new QueryCache<ListQuery>();
  readonly #recordQueries = new QueryCache<RecordQuery>();

  constructor(table: TablePlan, context: ResourceContext) {
    super(table, context);
    this.streams = context.streams ?? new TableStreams();
  }

  /** Last seq of the log: a read now includes everything up to it. */
  get head(): number {
    return this.context.store.lastSeq;
  }

  /** Waits until `head` is at least this position, where another server may be ahead; false when it is not in time. */
  hasReached(position: number): Awaitable<boolean> {
    return this.context.store.hasReached(position);
  }

  /** True when `head` may be newer than what an earlier read has found, since it moves while the read is answered. */
  get isRemote(): boolean {
    return this.context.store.shared !== undefined;
  }

  /** True when a record of this seq has the same JSON as when it was sent: no schema change has altered it since. */
  isTrueTo(seq: number): boolean {
    return seq > this.context.store.layoutSeq(this.table);
  }

  get maxIdLength(): number {
    return this.context.limits.id;
  }

  /** Returns a record, or undefined. The raw query string may have `select`. Throws INVALID_QUERY. */
  get(identity: Identity, id: RecordKey, rawQuery = ''): Awaitable<FoundRecord | undefined> {
    const table = this.table;
    const { access, store, limits } = this.context;
    access.check(table, 'read', identity);
    this.counters.reads++;
    const view = access.viewOf(identity);
    if (rawQuery === '' && view?.of(table) === undefined) return store.get(table, id);
    const query = this.#recordQueries.get(rawQuery, view, () => {
      const parsed = parseRecordQuery(rawQuery, { table, limits, view });
      const { related, dependencies } = parsed;
      return { selection: makeSelection(withoutFullSelect(parsed, table), { table, store }), related, dependencies };
    });
    access.checkReads(query.related, identity);
    const found = store.get(table, id);
    return thenOrNow(found, (record) => record && this.#select(query, record));
  }

  /** Returns the records that the raw query string asks for. Throws INVALID_QUERY, SCAN_TOO_LARGE or TOO_MANY_GROUPS. */
  list(identity: Identity, rawQuery: string): Awaitable<ListPage> {
    return this.readList(this.parseList(identity, rawQuery));
  }

  /** Parses the query of `list`. Throws as `list`. */
  parseList(identity: Identity, rawQuery: string): ListQuery {
    const { access } = this.context;
    access.check(this.table, 'read', identity);
    this.counters.reads++;
    const query = this.#parseQuery(rawQuery, access.viewOf(identity));
    access.checkReads(query.related, identity);
    return query;
  }

  readList(query: ListQuery): Awaitable<ListPage> {
    const { pages, store } = this.context;
    // Only the database knows whether a page is still as it was.
    if (store.shared !== undefined) return this.#readPage(query);
    const head = this.#lastSeqOf(query);
    const cached = pages.find(query, head);
    if (cached !== undefined) {
      this.counters.cached++;
      return cached;
    }
    return thenOrNow(this.#readPage(query), (page) => {
      pages.add(query, head, page);
      return page;
    });
  }

  #readPage(query: ListQuery): Awaitable<ListPage> {
    const { store } = this.context;
    const { aggregate, offset, limit } = query;
    if (aggregate === undefined) return store.list(this.table, query);
    return thenOrNow(store.aggregate(this.table, query), ({ groups }) => ({
      json: JSON.stringify(listResults(aggregate, groups).slice(offset, offset + limit)),
    }));
  }

  /** Returns a version that changes whenever the result of the query may change. */
  versionOf(query: ListQuery, identity: Identity): Awaitable<string> {
    const { access, store } = this.context;
    const view = access.viewOf(identity)?.key ?? '';
    const newest = store.shared?.newestSeq([this.table, ...query.dependencies]) ?? this.#lastSeqOf(query);
    return thenOrNow(newest, (seq) => (view === '' ? String(seq) : `${seq}-${view}`));
  }

  /** Returns the members of the records of a list or record with this raw query, in order. Throws INVALID_QUERY. */
  columnsOf(identity: Identity, rawQuery: string): readonly Column[] {
    const { select, aggregate } = this.#parseQuery(rawQuery, this.context.access.viewOf(identity));
    if (aggregate !== undefined) {
      const results = [...aggregate.group, ...aggregate.columns.map(({ result }) => result)];
      return results.map(({ name }) => ({ name, isJson: false }));
    }
    const fields = select?.fields ?? this.table.fields.filter(({ hidden }) => !hidden);
    const relations = select?.relations ?? [];
    return [
      ...fields.map(({ name, type }) => ({ name, isJson: isJson(type) })),
      ...relations.map(({ relation: { name } }) => ({ name, isJson: true })),
    ];
  }

  /** Checks a subscription's query before anything is opened. Throws INVALID_QUERY, INVALID_POSITION, SCAN_TOO_LARGE or FORBIDDEN. */
  parseSubscription(identity: Identity, rawQuery: string, id: RecordKey | undefined): SubscriptionQuery {
    const table = this.table;
    const { access, limits, store } = this.context;
    const subscribable = access.check(table, 'subscribe', identity);
    const view = access.viewOf(identity);
    const query = parseSubscription(rawQuery, { table, id, limits, store, view, subscribable: subscribable });
    access.checkReads(query.related, identity);
    const { window, totals, counted } = query.selection;
    if (window !== undefined) store.checkScan(table, window.first(firstRecords(window)));
    for (const each of [totals, counted]) if (each !== undefined) store.checkScan(table, each.list);
    return query;
  }

  /** Opens the subscription that `parseSubscription` has checked. */
  subscribe(query: SubscriptionQuery, encoding: Encoding, sink: Sink): Subscription {
    return this.context.hub.subscribe({ ...query, table: this.table, encoding, sink });
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
    const { hub } = this.context;
    return hub.subscribe({ ...query, table: this.table, encoding: group.encoding, sink, reset: 'rights_changed' });
  }

  /**
   * Returns the seq up to which everything was written to the subscription's sink, or is not for it; undefined during a
   * snapshot.
   */
  positionOf(subscription: Subscription): number | undefined {
    return this.context.hub.positionOf(subscription);
  }

  unsubscribe(subscription: Subscription): void {
    this.context.hub.unsubscribe(subscription);
  }

  #select({ selection, dependencies }: RecordQuery, record: StoredRecord): Awaitable<FoundRecord | undefined> {
    const { store } = this.context;
    const show = (text?: string) =>
      settleRelated(store, this.table, (related): FoundRecord | undefined => {
        const frame = selectRecord(selection, record, text, related);
        // Other records change without this one.
        const isShared = dependencies.size > 0;
        return frame && { ...record, json: frame.data, ...(isShared ? { isShared } : {}) };
      });
    if (selection.readRelated === undefined) return show();
    const reading = settleRelated(store, this.table, (related) => relatedOfRecord(selection, record, related));
    return thenOrNow(reading as Awaitable<string | undefined>, show);
  }

  /** Newest seq of the tables that decide about the result of a query. */
  #lastSeqOf({ dependencies }: ListQuery): number {
    const { store } = this.context;
    let head = store.lastTableSeq(this.table);
    for (const table of dependencies) head = Math.max(head, store.lastTableSeq(table));
    return head;
  }

  #parseQuery(rawQuery: string, view: ReadPolicy | undefined): ListQuery {
    const { limits } = this.context;
    const scope = { table: this.table, limits, reserved: LIST_PARAMETERS, view };
    return this.#queries.get(rawQuery, view, () => parseQueryFor(rawQuery, scope));
  }
}

/** Drops a selection of all fields in order: the store returns them so without one. */
function withoutFullSelect(query: ListQuery, table: TablePlan): ListQuery {
  const { select, ...rest } = query;
  if (select === undefined || select.masked !== undefined || select.relations.length > 0) return query;
  return table.visibleFields.every((field) => select.fields.includes(field)) ? rest : query;
}
