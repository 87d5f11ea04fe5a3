import { v7 as uuidv7 } from 'uuid';
import { checkAccess } from '../auth/access.ts';
import type { Identity } from '../auth/identity.ts';
import type { Limits } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { Encoding } from '../hub/encode.ts';
import type { Hub } from '../hub/hub.ts';
import { type Selection, selectRecord } from '../hub/selection.ts';
import type { Sink, Subscription } from '../hub/subscription.ts';
import { type ListQuery, parseListQuery } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type {
  Awaitable,
  Cells,
  Key,
  LogReader,
  Precondition,
  RecordReader,
  StoredRecord,
  WriteGroup,
  WriteOutcome,
} from '../store/store.ts';
import { isNumeric, keyProblem } from './key.ts';
import { RecordParser } from './record-parser.ts';
import { parseRecordQuery, parseSubscription, type SubscriptionQuery } from './subscription-query.ts';
import { checkJson } from './values.ts';

export interface ResourceContext {
  readonly store: RecordReader & LogReader;
  readonly commits: GroupCommit;
  readonly hub: Hub;
  readonly limits: Limits;
}

/** What has been asked of a table since the start, for the metrics. */
export interface Counters {
  reads: number;
  writes: number;
  /** WebSocket messages that were done. */
  messages: number;
  refused: number;
}

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
    return this.#getSelected(id, parseRecordQuery(rawQuery, this.table, this.#context.limits));
  }

  /** JSON array of the records that the raw query string asks for. Throws INVALID_QUERY. */
  list(identity: Identity, rawQuery: string): Awaitable<string> {
    checkAccess(this.table, 'read', identity);
    this.counters.reads++;
    return this.#context.store.list(this.table, this.#parseQuery(rawQuery));
  }

  /** Throws what `list` would throw, without reading anything. */
  checkList(identity: Identity, rawQuery: string): void {
    checkAccess(this.table, 'read', identity);
    this.counters.reads++;
    this.#parseQuery(rawQuery);
  }

  /** Stores a new record. Throws CONFLICT when its id exists; without an id a UUIDv7 is made. */
  async create(identity: Identity, body: unknown): Promise<WriteOutcome> {
    checkAccess(this.table, 'create', identity);
    return this.#writeOne([this.#newRecord(this.#parser.parseWhole(body))]);
  }

  /** Stores new records, all or none, in order. */
  async createMany(identity: Identity, bodies: readonly unknown[]): Promise<readonly WriteOutcome[]> {
    checkAccess(this.table, 'create', identity);
    if (bodies.length === 0) return [];
    const { batch } = this.#context.limits;
    if (bodies.length > batch) throw new AppError('BAD_REQUEST', `At most ${batch} records can be sent at once.`);
    return this.#write(this.#parser.parseMany(bodies).map((cells) => this.#newRecord(cells)));
  }

  /** Creates or replaces. Without `id` the record's own is taken, or one is made. */
  async put(
    identity: Identity,
    id: Key | undefined,
    body: unknown,
    precondition?: Precondition,
  ): Promise<WriteOutcome> {
    if (precondition !== 'none') checkAccess(this.table, 'update', identity);
    if (precondition === undefined || precondition === 'none') checkAccess(this.table, 'create', identity);
    const [key, cells] = this.#withKey(id, this.#parser.parseWhole(body));
    return this.#writeOne([{ type: 'put', table: this.table, id: key, cells, ...optional(precondition) }]);
  }

  /** Replaces the fields that were sent. Throws NOT_FOUND. */
  async patch(identity: Identity, id: Key, body: unknown, precondition?: Precondition): Promise<WriteOutcome> {
    checkAccess(this.table, 'update', identity);
    const [key, cells] = this.#withKey(id, this.#parser.parsePart(body));
    return this.#writeOne([{ type: 'patch', table: this.table, id: key, cells, ...optional(precondition) }]);
  }

  /** Removes a record. Throws NOT_FOUND. */
  async delete(identity: Identity, id: Key, precondition?: Precondition): Promise<WriteOutcome> {
    checkAccess(this.table, 'delete', identity);
    return this.#writeOne([{ type: 'delete', table: this.table, id, ...optional(precondition) }]);
  }

  /**
   * Sends a message to the record's and the table's channel, or without an id to the table's alone. It is in the log,
   * so that it is resumed, but not among the records. Resolves with how many subscriptions it is for.
   */
  async publish(identity: Identity, id: Key | null, data: unknown): Promise<{ seq: number; delivered: number }> {
    checkAccess(this.table, 'publish', identity);
    if (data === undefined) throw new AppError('VALIDATION_ERROR', 'There is no data to publish.');
    checkJson(this.#context.limits)(data, 'data', () => {});
    const delivered = this.#context.hub.audience(this.table, id);
    const { seq } = await this.#writeOne([{ type: 'publish', table: this.table, id, data: JSON.stringify(data) }]);
    return { seq, delivered };
  }

  /** Checks a subscription's query. Throws INVALID_QUERY, INVALID_POSITION or FORBIDDEN, before anything is opened. */
  parseSubscription(identity: Identity, rawQuery: string, id: Key | undefined): SubscriptionQuery {
    checkAccess(this.table, 'subscribe', identity);
    return parseSubscription(rawQuery, { table: this.table, id, limits: this.#context.limits });
  }

  /** Opens the subscription that `parseSubscription` has checked. */
  subscribe(query: SubscriptionQuery, encoding: Encoding, sink: Sink): Subscription {
    return this.#context.hub.subscribe({ ...query, table: this.table, encoding, sink });
  }

  unsubscribe(subscription: Subscription): void {
    this.#context.hub.unsubscribe(subscription);
  }

  async #getSelected(id: Key, selection: Selection): Promise<StoredRecord | undefined> {
    const record = await this.#context.store.get(this.table, id);
    if (record === undefined) return undefined;
    return { ...record, json: selectRecord(selection, record)?.data ?? record.json };
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

  async #writeOne(group: WriteGroup): Promise<WriteOutcome> {
    const outcomes = await this.#write(group);
    return outcomes[0] as WriteOutcome;
  }

  async #write(group: WriteGroup): Promise<readonly WriteOutcome[]> {
    try {
      const outcomes = await this.#context.commits.submit(group);
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
