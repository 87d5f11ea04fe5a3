import { v7 as uuidv7 } from 'uuid';
import type { Identity } from '../auth/identity.ts';
import { AppError } from '../errors.ts';
import type { Encoding } from '../hub/encode.ts';
import { type Selection, selectRecord } from '../hub/selection.ts';
import type { Sink, Subscription } from '../hub/subscription.ts';
import {
  both,
  type Filter,
  type ListQuery,
  parseQueryFor,
  relatedTables,
  type View,
  visibleFields,
} from '../query/index.ts';
import type { Action, TablePlan } from '../schema/plan.ts';
import type {
  Awaitable,
  BulkWrite,
  Cells,
  Key,
  ListPage,
  Once,
  Precondition,
  StoredRecord,
  WriteGroup,
  WriteOutcome,
} from '../store/store.ts';
import { actorOf } from './actor.ts';
import { parseBulkFilter } from './bulk.ts';
import { InProgress } from './idempotency.ts';
import { isNumeric, keyProblem } from './key.ts';
import { QueryCache } from './query-cache.ts';
import { RecordParser } from './record-parser.ts';
import { isJson, Rows } from './rows.ts';
import { makeSelection } from './selections.ts';
import { parseRecordQuery, parseSubscription, type SubscriptionQuery } from './subscription-query.ts';
import { TableStreams } from './table-streams.ts';
import type { Column, Counters, FoundRecord, Published, ResourceContext, WriteOptions } from './table-types.ts';
import { checkJson } from './values.ts';
import { WriteRights } from './write-rights.ts';

const UNCONDITIONAL: WriteOptions = {};
const NOTHING_RESERVED: ReadonlySet<string> = new Set();

/** What a reader of one record is shown of it, and of which other tables. */
interface RecordQuery {
  readonly selection: Selection;
  readonly related: ReadonlySet<TablePlan>;
}

/**
 * The one door to a table. Whatever comes in, by whatever transport, is checked here (access, then validation) and
 * nowhere else.
 */
export class TableResource {
  readonly table: TablePlan;
  readonly counters: Counters = { reads: 0, writes: 0, messages: 0, refused: 0 };
  readonly streams: TableStreams;
  readonly #context: ResourceContext;
  readonly #parser: RecordParser;
  readonly #rights: WriteRights;
  readonly #inProgress = new InProgress();
  readonly #queries = new QueryCache<ListQuery>();
  readonly #recordQueries = new QueryCache<RecordQuery>();

  constructor(table: TablePlan, context: ResourceContext) {
    this.table = table;
    this.streams = context.streams ?? new TableStreams();
    this.#context = context;
    this.#parser = new RecordParser(table, context.limits);
    this.#rights = new WriteRights(table, context.access);
  }

  /** The log's head: a reader that asks now sees everything up to it. */
  get head(): number {
    return this.#context.store.head;
  }

  get maxIdLength(): number {
    return this.#context.limits.id;
  }

  /** A record, or undefined. The raw query string may have `select`. Throws INVALID_QUERY. */
  get(identity: Identity, id: Key, rawQuery = ''): Awaitable<FoundRecord | undefined> {
    const { table } = this;
    const { access, store, limits } = this.#context;
    access.check(table, 'read', identity);
    this.counters.reads++;
    const view = access.viewOf(identity);
    if (rawQuery === '' && view?.of(table) === undefined) return store.get(table, id);
    const query = this.#recordQueries.get(rawQuery, view, () => {
      const parsed = parseRecordQuery(rawQuery, { table, limits, view });
      return { selection: makeSelection(withoutWhole(parsed, table), { table, store }), related: parsed.related };
    });
    this.#checkRelated(query, identity);
    const found = store.get(table, id);
    if (found instanceof Promise) return found.then((record) => selectFound(query.selection, record));
    return selectFound(query.selection, found);
  }

  /** The records that the raw query string asks for. Throws INVALID_QUERY or SCAN_TOO_LARGE. */
  list(identity: Identity, rawQuery: string): Awaitable<ListPage> {
    return this.readList(this.parseList(identity, rawQuery));
  }

  /** What `list` would read. Throws what `list` would throw. */
  parseList(identity: Identity, rawQuery: string): ListQuery {
    const { access } = this.#context;
    access.check(this.table, 'read', identity);
    this.counters.reads++;
    const query = this.#parseQuery(rawQuery, access.viewOf(identity));
    this.#checkRelated(query, identity);
    return query;
  }

  readList(query: ListQuery): Awaitable<ListPage> {
    return this.#context.store.list(this.table, query);
  }

  /** Changes whenever the answer to the query may be another one. */
  versionOf({ related }: ListQuery, identity: Identity): string {
    const { access, store } = this.#context;
    let head = store.tableHead(this.table);
    for (const table of related) head = Math.max(head, store.tableHead(table));
    const view = access.viewOf(identity)?.key ?? '';
    return view === '' ? String(head) : `${head}-${view}`;
  }

  /** Stores a new record. Throws CONFLICT when its id exists; without an id a UUIDv7 is made. */
  async create(identity: Identity, body: unknown, once?: Once): Promise<WriteOutcome> {
    const guard = this.#rights.guard(identity, ['create']);
    const cells = this.#parser.parseWhole(this.#rights.stamped(identity, body));
    return this.#writeOne(identity, [{ ...this.#newRecord(cells), ...guard }], once);
  }

  /** Stores new records, all or none, in order. */
  async createMany(
    identity: Identity,
    bodies: readonly unknown[] | Rows,
    once?: Once,
  ): Promise<readonly WriteOutcome[]> {
    const guard = this.#rights.guard(identity, ['create']);
    const { batch } = this.#context.limits;
    const size = bodies instanceof Rows ? bodies.size : bodies.length;
    if (size > batch) throw new AppError('BAD_REQUEST', `At most ${batch} records can be sent at once.`);
    const records = bodies instanceof Rows ? this.#parseRows(identity, bodies) : this.#parseMany(identity, bodies);
    if (size === 0) return [];
    const group = records.map((cells) => ({ ...this.#newRecord(cells), ...guard }));
    return this.#write(identity, group, once);
  }

  /** Creates or replaces. Without `id` the record's own is taken, or one is made. */
  async put(
    identity: Identity,
    id: Key | undefined,
    body: unknown,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    const actions = putActions(precondition);
    const guard = this.#rights.guard(identity, actions);
    const [key, cells] = this.#withKey(id, this.#parser.parseWhole(this.#rights.stamped(identity, body)));
    const kept = this.#rights.kept(identity);
    const write = { type: 'put', table: this.table, id: key, cells, ...optional(precondition), ...kept } as const;
    return this.#writeOne(identity, [{ ...write, ...guard }], once);
  }

  /** Replaces the fields that were sent. Throws NOT_FOUND. */
  async patch(
    identity: Identity,
    id: Key,
    body: unknown,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    const guard = this.#rights.guard(identity, ['update']);
    this.#rights.refuseFields(identity, body);
    const [key, cells] = this.#withKey(id, this.#parser.parsePart(body));
    const write = { type: 'patch', table: this.table, id: key, cells, ...optional(precondition) } as const;
    return this.#writeOne(identity, [{ ...write, ...guard }], once);
  }

  /** Removes a record. Throws NOT_FOUND. */
  async delete(
    identity: Identity,
    id: Key,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    const guard = this.#rights.guard(identity, ['delete']);
    const write = { type: 'delete', table: this.table, id, ...optional(precondition) } as const;
    return this.#writeOne(identity, [{ ...write, ...guard }], once);
  }

  /**
   * Replaces the sent fields of every record that the raw query string's filter matches, all or none; the outcome's
   * `json` has the numbers. Throws INVALID_QUERY without a filter or `all=true`, BAD_REQUEST beyond `limits.bulk`.
   */
  async patchMany(identity: Identity, rawQuery: string, body: unknown, once?: Once): Promise<WriteOutcome> {
    const guard = this.#rights.guard(identity, ['update']);
    const chosen = this.#chooseMany(identity, rawQuery, 'update');
    this.#rights.refuseFields(identity, body);
    const cells = this.#parser.parsePart(body);
    if (cells[this.table.fields.indexOf(this.table.primaryKey)] !== undefined) {
      const field = this.table.primaryKey.name;
      const message = 'is the key of one record and cannot be set for many';
      throw new AppError('VALIDATION_ERROR', `${field}: ${message}`, { errors: [{ field, message }] });
    }
    return this.#writeOne(identity, [{ type: 'patch-where', cells, ...chosen, ...guard }], once);
  }

  /** Removes every record that the raw query string's filter matches, all or none. Throws as `patchMany`. */
  async deleteMany(identity: Identity, rawQuery: string, once?: Once): Promise<WriteOutcome> {
    const guard = this.#rights.guard(identity, ['delete']);
    const chosen = this.#chooseMany(identity, rawQuery, 'delete');
    return this.#writeOne(identity, [{ type: 'delete-where', ...chosen, ...guard }], once);
  }

  /**
   * Sends a message to the record's and the table's channel, or without an id to the table's alone. It is in the log,
   * so that it is resumed, but not among the records. Resolves with how many subscriptions it is for.
   */
  async publish(identity: Identity, id: Key | null, data: unknown, once?: Once): Promise<Published> {
    const guard = this.#rights.guard(identity, ['publish']);
    if (data === undefined) throw new AppError('VALIDATION_ERROR', 'There is no data to publish.');
    checkJson(this.#context.limits)(data, 'data', () => {});
    const delivered = this.#context.hub.audience(this.table, id);
    const answer = once === undefined ? '' : String(delivered);
    const withRecord = this.#context.access.rulesOf(this.table).isByRecord;
    const write = { type: 'publish', table: this.table, id, data: JSON.stringify(data), answer, withRecord } as const;
    const { seq, json, replayed } = await this.#writeOne(identity, [{ ...write, ...guard }], once);
    return replayed ? { seq, delivered: Number(json), replayed } : { seq, delivered };
  }

  /** Checks a subscription's query. Throws INVALID_QUERY, INVALID_POSITION or FORBIDDEN, before anything is opened. */
  parseSubscription(identity: Identity, rawQuery: string, id: Key | undefined): SubscriptionQuery {
    const { table } = this;
    const { access, limits, store } = this.#context;
    const hears = access.check(table, 'subscribe', identity);
    const view = access.viewOf(identity);
    const query = parseSubscription(rawQuery, { table, id, limits, store, view, hears });
    this.#checkRelated(query, identity);
    return query;
  }

  /** Opens the subscription that `parseSubscription` has checked. */
  subscribe(query: SubscriptionQuery, encoding: Encoding, sink: Sink): Subscription {
    return this.#context.hub.subscribe({ ...query, table: this.table, encoding, sink });
  }

  /**
   * The subscription as its opener may have it now: the same one when he is shown the same, or another one that begins
   * with `reset`. Throws what `parseSubscription` throws when he may not hear any more.
   */
  rejudge(subscription: Subscription, identity: Identity, rawQuery: string): Subscription {
    const query = this.parseSubscription(identity, rawQuery, subscription.id);
    const { group, sink } = subscription;
    if (query.selection.key === group.selection.key) return subscription;
    this.unsubscribe(subscription);
    const { hub } = this.#context;
    return hub.subscribe({ ...query, table: this.table, encoding: group.encoding, sink, reset: 'rights_changed' });
  }

  /** Everything up to this seq was written to the subscription's sink, or is not for it; undefined during a snapshot. */
  positionOf(subscription: Subscription): number | undefined {
    return this.#context.hub.positionOf(subscription);
  }

  unsubscribe(subscription: Subscription): void {
    this.#context.hub.unsubscribe(subscription);
  }

  /** The members of the records that a list or record with this raw query has, in order. Throws INVALID_QUERY. */
  columnsOf(identity: Identity, rawQuery: string): readonly Column[] {
    const { select } = this.#parseQuery(rawQuery, this.#context.access.viewOf(identity));
    const fields = select?.fields ?? this.table.fields.filter(({ hidden }) => !hidden);
    const relations = select?.relations ?? [];
    return [
      ...fields.map(({ name, type }) => ({ name, isJson: isJson(type) })),
      ...relations.map(({ relation: { name } }) => ({ name, isJson: true })),
    ];
  }

  #parseMany(identity: Identity, bodies: readonly unknown[]): Cells[] {
    return this.#parser.parseMany(bodies.map((body) => this.#rights.stamped(identity, body)));
  }

  #parseRows(identity: Identity, rows: Rows): Cells[] {
    const { header } = rows;
    if (header !== undefined) this.#parser.checkNames(header.names, header.place);
    const records = rows.records(this.table);
    return this.#parser.parseMany(
      records.map(({ value }) => this.#rights.stamped(identity, value)),
      records.map(({ place }) => place),
    );
  }

  /** Records that are only shown inside of others are read all the same. */
  #checkRelated({ related }: { readonly related: ReadonlySet<TablePlan> }, identity: Identity): void {
    for (const table of related) this.#context.access.check(table, 'read', identity);
  }

  #parseQuery(rawQuery: string, view: View | undefined): ListQuery {
    const { limits } = this.#context;
    const scope = { table: this.table, limits, reserved: NOTHING_RESERVED, view };
    return this.#queries.get(rawQuery, view, () => parseQueryFor(rawQuery, scope));
  }

  /** The records that a write by filter is for: those that its writer sees and may change. */
  #chooseMany(identity: Identity, rawQuery: string, action: Action): Pick<BulkWrite, 'table' | 'filter' | 'limit'> {
    const { table } = this;
    const { access, limits } = this.#context;
    const view = access.viewOf(identity);
    const filter = parseBulkFilter(rawQuery, { table, limits, view });
    this.#checkRelated({ related: relatedTables(filter === undefined ? {} : { filter }) }, identity);
    const allowed: Filter | undefined = both(view?.of(table)?.filter, access.check(table, action, identity));
    return { table, filter: both(filter, allowed), limit: limits.bulk };
  }

  #newRecord(parsed: Cells): Extract<WriteGroup[number], { type: 'create' }> {
    const [id, cells] = this.#withKey(undefined, parsed);
    return { type: 'create', table: this.table, id, cells };
  }

  /** The key and the cells with it: the path's key, the record's own or a new one; two that differ are refused. */
  #withKey(id: Key | undefined, cells: Cells): [Key, Cells] {
    const { table } = this;
    const index = table.fields.indexOf(table.primaryKey);
    const own = cells[index] as Key | undefined;
    const field = table.primaryKey.name;
    if (id !== undefined && own !== undefined && own !== id) {
      const message = `must be ${JSON.stringify(id)}, the id of the address`;
      throw new AppError('VALIDATION_ERROR', `${field}: ${message}`, { errors: [{ field, message }] });
    }
    const key = id ?? own ?? this.#makeKey();
    const problem = keyProblem(table, key, this.#context.limits.id);
    if (problem !== undefined) throw new AppError('INVALID_ID', `The id ${problem}.`);
    if (own === key) return [key, cells];
    return [key, cells.with(index, key)];
  }

  #makeKey(): Key {
    if (!isNumeric(this.table)) return uuidv7();
    const field = this.table.primaryKey.name;
    const message = 'is required: numbers are not made by the server';
    throw new AppError('VALIDATION_ERROR', `${field}: ${message}`, { errors: [{ field, message }] });
  }

  async #writeOne(identity: Identity, group: WriteGroup, once?: Once): Promise<WriteOutcome> {
    const outcomes = await this.#write(identity, group, once);
    return outcomes[0] as WriteOutcome;
  }

  async #write(identity: Identity, writes: WriteGroup, once?: Once): Promise<readonly WriteOutcome[]> {
    const group = this.table.audited ? signed(writes, identity) : writes;
    try {
      const { commits } = this.#context;
      const outcomes = await (once === undefined
        ? commits.submit(group)
        : this.#inProgress.run(once, () => commits.submit(group, once)));
      this.counters.writes += outcomes.length;
      return group[0]?.type === 'publish' ? outcomes : this.#rights.shown(identity, outcomes);
    } catch (error) {
      this.counters.refused++;
      throw error;
    }
  }
}

/** For the audit log. */
function signed(writes: WriteGroup, identity: Identity): WriteGroup {
  const by = actorOf(identity);
  return writes.map((write) => ({ ...write, by }));
}

/** The store gives all fields in their order: nothing has to be chosen from a record where none is hidden. */
function withoutWhole(query: ListQuery, table: TablePlan): ListQuery {
  const { select, ...rest } = query;
  if (select === undefined || select.masked !== undefined || select.relations.length > 0) return query;
  return visibleFields(table).every((field) => select.fields.includes(field)) ? rest : query;
}

function selectFound(selection: Selection, record: StoredRecord | undefined): FoundRecord | undefined {
  const shown = record && selectRecord(selection, record);
  if (record === undefined || shown === undefined) return undefined;
  // What is shown of other tables changes without the record.
  const isShared = selection.expand !== undefined;
  return { ...record, json: shown.data, ...(isShared ? { isShared } : {}) };
}

/** PUT replaces or creates; its condition can say which of them it is. */
function putActions(precondition: Precondition | undefined): readonly Action[] {
  if (precondition === undefined) return ['update', 'create'];
  return precondition === 'none' ? ['create'] : ['update'];
}

function optional(precondition: Precondition | undefined): { precondition?: Precondition } {
  return precondition === undefined ? {} : { precondition };
}
