import { v7 as uuidv7 } from 'uuid';
import { checkAccess } from '../auth/access.ts';
import type { Identity } from '../auth/identity.ts';
import type { Limits } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { Encoding } from '../hub/encode.ts';
import type { Hub } from '../hub/hub.ts';
import { type Selection, selectRecord } from '../hub/selection.ts';
import type { Sink, Subscription } from '../hub/subscription.ts';
import { type ListQuery, parseListQuery, relatedTables } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type {
  Awaitable,
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

export interface ResourceContext {
  readonly store: RecordReader & RelatedReader & LogReader;
  readonly commits: GroupCommit;
  readonly hub: Hub;
  readonly limits: Limits;
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
  readonly #inProgress = new InProgress();
  readonly #queries = new Map<string, ListQuery>();

  constructor(table: TablePlan, context: ResourceContext) {
    this.table = table;
    this.#context = context;
    this.#parser = new RecordParser(table, context.limits);
  }

  /** The log's head: a reader that asks now sees everything up to it. */
  get head(): number {
    return this.#context.store.head;
  }

  /** seq of the table's newest change. */
  get tableHead(): number {
    return this.#context.store.tableHead(this.table);
  }

  get maxIdLength(): number {
    return this.#context.limits.id;
  }

  /** A record, or undefined. The raw query string may have `select`. Throws INVALID_QUERY. */
  get(identity: Identity, id: Key, rawQuery = ''): Awaitable<StoredRecord | undefined> {
    checkAccess(this.table, 'read', identity);
    this.counters.reads++;
    if (rawQuery === '') return this.#context.store.get(this.table, id);
    const query = parseRecordQuery(rawQuery, this.table, this.#context.limits);
    this.#checkRelated(query, identity);
    return this.#getSelected(id, makeSelection(query, { table: this.table, store: this.#context.store }));
  }

  /** The records that the raw query string asks for. Throws INVALID_QUERY or SCAN_TOO_LARGE. */
  list(identity: Identity, rawQuery: string): Awaitable<ListPage> {
    checkAccess(this.table, 'read', identity);
    this.counters.reads++;
    const query = this.#parseQuery(rawQuery);
    this.#checkRelated(query, identity);
    return this.#context.store.list(this.table, query);
  }

  /** Throws what `list` would throw, without reading anything. */
  checkList(identity: Identity, rawQuery: string): void {
    checkAccess(this.table, 'read', identity);
    this.counters.reads++;
    this.#checkRelated(this.#parseQuery(rawQuery), identity);
  }

  /** Stores a new record. Throws CONFLICT when its id exists; without an id a UUIDv7 is made. */
  async create(identity: Identity, body: unknown, once?: Once): Promise<WriteOutcome> {
    checkAccess(this.table, 'create', identity);
    return this.#writeOne([this.#newRecord(this.#parser.parseWhole(body))], once);
  }

  /** Stores new records, all or none, in order. */
  async createMany(identity: Identity, bodies: readonly unknown[], once?: Once): Promise<readonly WriteOutcome[]> {
    checkAccess(this.table, 'create', identity);
    if (bodies.length === 0) return [];
    const { batch } = this.#context.limits;
    if (bodies.length > batch) throw new AppError('BAD_REQUEST', `At most ${batch} records can be sent at once.`);
    const group = this.#parser.parseMany(bodies).map((cells) => this.#newRecord(cells));
    return this.#write(group, once);
  }

  /** Creates or replaces. Without `id` the record's own is taken, or one is made. */
  async put(
    identity: Identity,
    id: Key | undefined,
    body: unknown,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    if (precondition !== 'none') checkAccess(this.table, 'update', identity);
    if (precondition === undefined || precondition === 'none') checkAccess(this.table, 'create', identity);
    const [key, cells] = this.#withKey(id, this.#parser.parseWhole(body));
    return this.#writeOne([{ type: 'put', table: this.table, id: key, cells, ...optional(precondition) }], once);
  }

  /** Replaces the fields that were sent. Throws NOT_FOUND. */
  async patch(
    identity: Identity,
    id: Key,
    body: unknown,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    checkAccess(this.table, 'update', identity);
    const [key, cells] = this.#withKey(id, this.#parser.parsePart(body));
    return this.#writeOne([{ type: 'patch', table: this.table, id: key, cells, ...optional(precondition) }], once);
  }

  /** Removes a record. Throws NOT_FOUND. */
  async delete(
    identity: Identity,
    id: Key,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    checkAccess(this.table, 'delete', identity);
    return this.#writeOne([{ type: 'delete', table: this.table, id, ...optional(precondition) }], once);
  }

  /**
   * Replaces the sent fields of every record that the raw query string's filter matches, all or none; the outcome's
   * `json` has the numbers. Throws INVALID_QUERY without a filter or `all=true`, BAD_REQUEST beyond `limits.bulk`.
   */
  async patchMany(identity: Identity, rawQuery: string, body: unknown, once?: Once): Promise<WriteOutcome> {
    checkAccess(this.table, 'update', identity);
    const { limits } = this.#context;
    const filter = parseBulkFilter(rawQuery, this.table, limits);
    this.#checkRelated({ related: relatedTables(filter === undefined ? {} : { filter }) }, identity);
    const cells = this.#parser.parsePart(body);
    if (cells[this.table.fields.indexOf(this.table.primaryKey)] !== undefined) {
      const field = this.table.primaryKey.name;
      const message = 'is the key of one record and cannot be set for many';
      throw new AppError('VALIDATION_ERROR', `${field}: ${message}`, { errors: [{ field, message }] });
    }
    return this.#writeOne([{ type: 'patch-where', table: this.table, filter, cells, limit: limits.bulk }], once);
  }

  /** Removes every record that the raw query string's filter matches, all or none. Throws as `patchMany`. */
  async deleteMany(identity: Identity, rawQuery: string, once?: Once): Promise<WriteOutcome> {
    checkAccess(this.table, 'delete', identity);
    const { limits } = this.#context;
    const filter = parseBulkFilter(rawQuery, this.table, limits);
    this.#checkRelated({ related: relatedTables(filter === undefined ? {} : { filter }) }, identity);
    return this.#writeOne([{ type: 'delete-where', table: this.table, filter, limit: limits.bulk }], once);
  }

  /**
   * Sends a message to the record's and the table's channel, or without an id to the table's alone. It is in the log,
   * so that it is resumed, but not among the records. Resolves with how many subscriptions it is for.
   */
  async publish(identity: Identity, id: Key | null, data: unknown, once?: Once): Promise<Published> {
    checkAccess(this.table, 'publish', identity);
    if (data === undefined) throw new AppError('VALIDATION_ERROR', 'There is no data to publish.');
    checkJson(this.#context.limits)(data, 'data', () => {});
    const delivered = this.#context.hub.audience(this.table, id);
    const answer = once === undefined ? '' : String(delivered);
    const write = { type: 'publish', table: this.table, id, data: JSON.stringify(data), answer } as const;
    const { seq, json, replayed } = await this.#writeOne([write], once);
    return replayed ? { seq, delivered: Number(json), replayed } : { seq, delivered };
  }

  /** Checks a subscription's query. Throws INVALID_QUERY, INVALID_POSITION or FORBIDDEN, before anything is opened. */
  parseSubscription(identity: Identity, rawQuery: string, id: Key | undefined): SubscriptionQuery {
    checkAccess(this.table, 'subscribe', identity);
    const { limits, store } = this.#context;
    const query = parseSubscription(rawQuery, { table: this.table, id, limits, store });
    this.#checkRelated(query, identity);
    return query;
  }

  /** Opens the subscription that `parseSubscription` has checked. */
  subscribe(query: SubscriptionQuery, encoding: Encoding, sink: Sink): Subscription {
    return this.#context.hub.subscribe({ ...query, table: this.table, encoding, sink });
  }

  /** Everything up to this seq was written to the subscription's sink, or is not for it; undefined during a snapshot. */
  positionOf(subscription: Subscription): number | undefined {
    return this.#context.hub.positionOf(subscription);
  }

  unsubscribe(subscription: Subscription): void {
    this.#context.hub.unsubscribe(subscription);
  }

  async #getSelected(id: Key, selection: Selection): Promise<StoredRecord | undefined> {
    const record = await this.#context.store.get(this.table, id);
    if (record === undefined) return undefined;
    return { ...record, json: selectRecord(selection, record)?.data ?? record.json };
  }

  /** Records that are only shown inside of others are read all the same. */
  #checkRelated({ related }: { readonly related: ReadonlySet<TablePlan> }, identity: Identity): void {
    for (const table of related) checkAccess(table, 'read', identity);
  }

  #parseQuery(rawQuery: string): ListQuery {
    const cached = this.#queries.get(rawQuery);
    if (cached !== undefined) return cached;
    const query = parseListQuery(rawQuery, this.table, this.#context.limits, NOTHING_RESERVED);
    if (this.#queries.size >= CACHED_QUERIES) this.#queries.delete(this.#queries.keys().next().value as string);
    this.#queries.set(rawQuery, query);
    return query;
  }

  #newRecord(parsed: Cells): WriteGroup[number] {
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

  async #writeOne(group: WriteGroup, once?: Once): Promise<WriteOutcome> {
    const outcomes = await this.#write(group, once);
    return outcomes[0] as WriteOutcome;
  }

  async #write(group: WriteGroup, once?: Once): Promise<readonly WriteOutcome[]> {
    try {
      const { commits } = this.#context;
      const outcomes = await (once === undefined
        ? commits.submit(group)
        : this.#inProgress.run(once, () => commits.submit(group, once)));
      this.counters.writes += outcomes.length;
      return outcomes;
    } catch (error) {
      this.counters.refused++;
      throw error;
    }
  }
}

function optional(precondition: Precondition | undefined): { precondition?: Precondition } {
  return precondition === undefined ? {} : { precondition };
}
