import { v7 as uuidv7 } from 'uuid';
import type { Access } from '../auth/access.ts';
import type { Identity } from '../auth/identity.ts';
import type { Limits } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { Encoding } from '../hub/encode.ts';
import type { Hub } from '../hub/hub.ts';
import { type Selection, selectRecord } from '../hub/selection.ts';
import type { Sink, Subscription } from '../hub/subscription.ts';
import { both, type Filter, type ListQuery, parseQueryFor, relatedTables, type View } from '../query/index.ts';
import type { Action, TablePlan } from '../schema/plan.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type {
  Awaitable,
  BulkWrite,
  Cells,
  Key,
  ListPage,
  LogReader,
  Once,
  Precondition,
  RecordReader,
  RelatedReader,
  StoredRecord,
  WriteGroup,
  WriteOutcome,
} from '../store/store.ts';
import { parseBulkFilter } from './bulk.ts';
import { InProgress } from './idempotency.ts';
import { isNumeric, keyProblem } from './key.ts';
import { RecordParser } from './record-parser.ts';
import { makeSelection } from './selections.ts';
import { parseRecordQuery, parseSubscription, type SubscriptionQuery } from './subscription-query.ts';
import { checkJson } from './values.ts';
import { WriteRights } from './write-rights.ts';

export interface ResourceContext {
  readonly access: Access;
  readonly store: RecordReader & RelatedReader & LogReader;
  readonly commits: GroupCommit;
  readonly hub: Hub;
  readonly limits: Limits;
}

/** A record as it was asked for. */
export interface FoundRecord extends StoredRecord {
  /** It shows records of other tables, and may be another one though its seq is the same. */
  readonly isShared?: boolean;
}

/** How a message was published: its seq, and for how many subscriptions it was. */
export interface Published {
  readonly seq: number;
  readonly delivered: number;
  readonly replayed?: boolean;
}

/** What has been asked of a table since the start, for the metrics. */
export interface Counters {
  reads: number;
  writes: number;
  /** WebSocket messages that were done. */
  messages: number;
  refused: number;
}

/** What a write depends on besides its record. */
export interface WriteOptions {
  readonly precondition?: Precondition;
  /** Sent again, the write is answered as the first time and not made again. */
  readonly once?: Once;
}

const UNCONDITIONAL: WriteOptions = {};
const NOTHING_RESERVED: ReadonlySet<string> = new Set();
const CACHED_QUERIES = 1000;

/**
 * The one door to a table. Whatever comes in, by whatever transport, is checked here (access, then validation) and
 * nowhere else.
 */
export class TableResource {
  readonly table: TablePlan;
  readonly counters: Counters = { reads: 0, writes: 0, messages: 0, refused: 0 };
  readonly #context: ResourceContext;
  readonly #parser: RecordParser;
  readonly #rights: WriteRights;
  readonly #inProgress = new InProgress();
  readonly #queries = new Map<string, ListQuery>();

  constructor(table: TablePlan, context: ResourceContext) {
    this.table = table;
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
    const query = parseRecordQuery(rawQuery, { table, limits, view });
    this.#checkRelated(query, identity);
    return this.#getSelected(id, makeSelection(query, { table, store }));
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
  async createMany(identity: Identity, bodies: readonly unknown[], once?: Once): Promise<readonly WriteOutcome[]> {
    const guard = this.#rights.guard(identity, ['create']);
    if (bodies.length === 0) return [];
    const { batch } = this.#context.limits;
    if (bodies.length > batch) throw new AppError('BAD_REQUEST', `At most ${batch} records can be sent at once.`);
    const stamped = bodies.map((body) => this.#rights.stamped(identity, body));
    const group = this.#parser.parseMany(stamped).map((cells) => ({ ...this.#newRecord(cells), ...guard }));
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

  async #getSelected(id: Key, selection: Selection): Promise<FoundRecord | undefined> {
    const record = await this.#context.store.get(this.table, id);
    const shown = record && selectRecord(selection, record);
    // What is shown of other tables changes without the record.
    const isShared = selection.expand !== undefined;
    return record && shown && { ...record, json: shown.data, ...(isShared ? { isShared } : {}) };
  }

  /** Records that are only shown inside of others are read all the same. */
  #checkRelated({ related }: { readonly related: ReadonlySet<TablePlan> }, identity: Identity): void {
    for (const table of related) this.#context.access.check(table, 'read', identity);
  }

  #parseQuery(rawQuery: string, view: View | undefined): ListQuery {
    const key = view === undefined ? rawQuery : `${view.key}\n${rawQuery}`;
    const cached = this.#queries.get(key);
    if (cached !== undefined) return cached;
    const { limits } = this.#context;
    const query = parseQueryFor(rawQuery, { table: this.table, limits, reserved: NOTHING_RESERVED, view });
    if (this.#queries.size >= CACHED_QUERIES) this.#queries.delete(this.#queries.keys().next().value as string);
    this.#queries.set(key, query);
    return query;
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

  async #write(identity: Identity, group: WriteGroup, once?: Once): Promise<readonly WriteOutcome[]> {
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

/** PUT replaces or creates; its condition can say which of them it is. */
function putActions(precondition: Precondition | undefined): readonly Action[] {
  if (precondition === undefined) return ['update', 'create'];
  return precondition === 'none' ? ['create'] : ['update'];
}

function optional(precondition: Precondition | undefined): { precondition?: Precondition } {
  return precondition === undefined ? {} : { precondition };
}
