import type { Identity } from '../../auth/identity.ts';
import { relatedOfRecord, type Selection, selectRecord } from '../../hub/selection.ts';
import { LIST_PARAMETERS, type ListQuery, parseQueryFor, type ReadPolicy, visibleFields } from '../../query/index.ts';
import { thenOrNow } from '../../runtime/then-or-now.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Awaitable, ListPage, RecordKey, StoredRecord } from '../../store/store.ts';
import { isJson } from '../body/batch-body.ts';
import { QueryCache } from '../read-caches.ts';
import { makeSelection } from '../selections.ts';
import { parseRecordQuery, parseSubscription, type SubscriptionQuery } from '../subscription-query.ts';
import type { Column, Counters, FoundRecord, ResourceContext } from './types.ts';

/** Fields of one record that a query selects, and the other tables in it. */
interface RecordQuery {
  readonly selection: Selection;
  readonly related: ReadonlySet<TablePlan>;
}

/** Read half of a `TableResource`, which documents these methods. */
export class TableReads {
  readonly #table: TablePlan;
  readonly #context: ResourceContext;
  readonly #counters: Counters;
  readonly #queries = new QueryCache<ListQuery>();
  readonly #recordQueries = new QueryCache<RecordQuery>();

  constructor(table: TablePlan, context: ResourceContext, counters: Counters) {
    this.#table = table;
    this.#context = context;
    this.#counters = counters;
  }

  get(identity: Identity, id: RecordKey, rawQuery: string): Awaitable<FoundRecord | undefined> {
    const table = this.#table;
    const { access, store, limits } = this.#context;
    access.check(table, 'read', identity);
    this.#counters.reads++;
    const view = access.viewOf(identity);
    if (rawQuery === '' && view?.of(table) === undefined) return store.get(table, id);
    const query = this.#recordQueries.get(rawQuery, view, () => {
      const parsed = parseRecordQuery(rawQuery, { table, limits, view });
      return { selection: makeSelection(withoutFullSelect(parsed, table), { table, store }), related: parsed.related };
    });
    access.checkReads(query.related, identity);
    const found = store.get(table, id);
    return thenOrNow(found, (record) => selectFound(query.selection, record));
  }

  parseList(identity: Identity, rawQuery: string): ListQuery {
    const { access } = this.#context;
    access.check(this.#table, 'read', identity);
    this.#counters.reads++;
    const query = this.#parseQuery(rawQuery, access.viewOf(identity));
    access.checkReads(query.related, identity);
    return query;
  }

  readList(query: ListQuery): Awaitable<ListPage> {
    const { pages, store } = this.#context;
    const head = this.#lastSeqOf(query);
    const cached = pages.find(query, head);
    if (cached !== undefined) {
      this.#counters.cached++;
      return cached;
    }
    return thenOrNow(store.list(this.#table, query), (page) => {
      pages.add(query, head, page);
      return page;
    });
  }

  versionOf(query: ListQuery, identity: Identity): string {
    const { access } = this.#context;
    const head = this.#lastSeqOf(query);
    const view = access.viewOf(identity)?.key ?? '';
    return view === '' ? String(head) : `${head}-${view}`;
  }

  columnsOf(identity: Identity, rawQuery: string): readonly Column[] {
    const { select } = this.#parseQuery(rawQuery, this.#context.access.viewOf(identity));
    const fields = select?.fields ?? this.#table.fields.filter(({ hidden }) => !hidden);
    const relations = select?.relations ?? [];
    return [
      ...fields.map(({ name, type }) => ({ name, isJson: isJson(type) })),
      ...relations.map(({ relation: { name } }) => ({ name, isJson: true })),
    ];
  }

  parseSubscription(identity: Identity, rawQuery: string, id: RecordKey | undefined): SubscriptionQuery {
    const table = this.#table;
    const { access, limits, store } = this.#context;
    const subscribable = access.check(table, 'subscribe', identity);
    const view = access.viewOf(identity);
    const query = parseSubscription(rawQuery, { table, id, limits, store, view, subscribable: subscribable });
    access.checkReads(query.related, identity);
    return query;
  }

  /** Newest seq of the tables in a query. */
  #lastSeqOf({ related }: ListQuery): number {
    const { store } = this.#context;
    let head = store.lastTableSeq(this.#table);
    for (const table of related) head = Math.max(head, store.lastTableSeq(table));
    return head;
  }

  #parseQuery(rawQuery: string, view: ReadPolicy | undefined): ListQuery {
    const { limits } = this.#context;
    const scope = { table: this.#table, limits, reserved: LIST_PARAMETERS, view };
    return this.#queries.get(rawQuery, view, () => parseQueryFor(rawQuery, scope));
  }
}

/** Drops a selection of all fields in order: the store returns them so without one. */
function withoutFullSelect(query: ListQuery, table: TablePlan): ListQuery {
  const { select, ...rest } = query;
  if (select === undefined || select.masked !== undefined || select.relations.length > 0) return query;
  return visibleFields(table).every((field) => select.fields.includes(field)) ? rest : query;
}

function selectFound(selection: Selection, record: StoredRecord | undefined): Awaitable<FoundRecord | undefined> {
  if (record === undefined) return undefined;
  return thenOrNow(relatedOfRecord(selection, record), (text): FoundRecord | undefined => {
    const frame = selectRecord(selection, record, text);
    // Related records change without the record.
    const isShared = selection.readRelated !== undefined;
    return frame && { ...record, json: frame.data, ...(isShared ? { isShared } : {}) };
  });
}
