import { HOOK, type Identity } from '../../auth/identity.ts';
import { AppError, invalidField } from '../../errors.ts';
import { both, type Filter, relatedTables } from '../../query/index.ts';
import { thenOrNow } from '../../runtime/event-loop.ts';
import { type Action, namesActors, type TablePlan } from '../../schema/plan.ts';
import type { Actor } from '../../store/audit.ts';
import { atPlace } from '../../store/placed-error.ts';
import type { BulkWrite, Cells, Precondition, Write, WriteCheck } from '../../store/rows/write.ts';
import type { Awaitable, IdempotencyKey, RecordKey, WriteGroup, WriteOutcome } from '../../store/store.ts';
import { BatchBody } from '../body/batch-body.ts';
import { CallerPermissions, RecordInput } from '../body/record-input.ts';
import { checkJson, throwInvalid } from '../body/values.ts';
import { parseBulkQuery } from '../bulk.ts';
import { InFlightKeys } from '../idempotency.ts';
import type { Counters, PreparedStep, Published, RecordStep, ResourceContext, WriteOptions } from './types.ts';

const UNCONDITIONAL: WriteOptions = {};

/** Write half of a `TableResource`: rights, validation, and the commit. */
export abstract class TableWrites {
  readonly table: TablePlan;
  readonly counters: Counters = { reads: 0, cached: 0, writes: 0, messages: 0, refused: 0 };
  protected readonly context: ResourceContext;
  readonly #make: WriteMaker;
  readonly #inFlight = new InFlightKeys();
  readonly #namesActors: boolean;

  constructor(table: TablePlan, context: ResourceContext) {
    this.table = table;
    this.context = context;
    this.#namesActors = namesActors(table);
    this.#make = new WriteMaker(table, context);
  }

  protected get rights(): CallerPermissions {
    return this.#make.rights;
  }

  protected get input(): RecordInput {
    return this.#make.input;
  }

  /** Stores a new record; without an id a UUIDv7 is generated. Throws CONFLICT when its id exists. */
  create(identity: Identity, body: unknown, once?: IdempotencyKey): Promise<WriteOutcome> {
    return this.#writeOne(identity, once, () => this.#make.create(identity, body));
  }

  /** Stores new records, all or none, in order. */
  async createMany(
    identity: Identity,
    bodies: readonly unknown[] | BatchBody,
    once?: IdempotencyKey,
  ): Promise<readonly WriteOutcome[]> {
    const guard = this.rights.guard(identity, ['create']);
    const { batch } = this.context.limits;
    const size = bodies instanceof BatchBody ? bodies.size : bodies.length;
    if (size > batch) throw new AppError('BAD_REQUEST', `At most ${batch} records can be sent at once.`);
    const records = this.input.parseBatch(identity, bodies);
    if (size === 0) return [];
    const group = records.map(({ cells, place }) => ({
      ...atPlace(place, () => this.#make.newRecord(cells, guard)),
      place,
    }));
    try {
      return await this.#finish(identity, await this.#submit(identity, group, once), 'create');
    } catch (error) {
      return this.#countRefused(error);
    }
  }

  /** Creates or replaces a record. Without `id` the record's own is used, or one is generated. */
  put(
    identity: Identity,
    id: RecordKey | undefined,
    body: unknown,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    return this.#writeOne(identity, once, () => this.#make.put(identity, id, body, precondition));
  }

  /** Replaces the given fields. Throws NOT_FOUND. */
  patch(
    identity: Identity,
    id: RecordKey,
    body: unknown,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    return this.#writeOne(identity, once, () => this.#make.patch(identity, id, body, precondition));
  }

  /** Removes a record. Throws NOT_FOUND. */
  delete(
    identity: Identity,
    id: RecordKey,
    { precondition, once }: WriteOptions = UNCONDITIONAL,
  ): Promise<WriteOutcome> {
    return this.#writeOne(identity, once, () => this.#make.delete(identity, id, precondition));
  }

  /**
   * Replaces the given fields of every record that the raw query string's filter matches, all or none; the outcome's
   * `json` has the numbers. Throws INVALID_QUERY without a filter or `all=true`, BAD_REQUEST beyond `limits.bulk`.
   */
  patchMany(identity: Identity, rawQuery: string, body: unknown, once?: IdempotencyKey): Promise<WriteOutcome> {
    return this.#writeOne(identity, once, () => this.#make.patchMany(identity, rawQuery, body));
  }

  /** Removes every record that the raw query string's filter matches, all or none. Throws as `patchMany`. */
  deleteMany(identity: Identity, rawQuery: string, once?: IdempotencyKey): Promise<WriteOutcome> {
    return this.#writeOne(identity, once, () => this.#make.deleteMany(identity, rawQuery));
  }

  /**
   * Sends a message to the record's and the table's channel, or without an id to the table's alone. It is in the log,
   * so that it is resumed, but not among the records. Resolves with the number of subscriptions that receive it.
   */
  async publish(identity: Identity, id: RecordKey | null, data: unknown, once?: IdempotencyKey): Promise<Published> {
    const write = this.#make.publish(identity, id, data);
    const { seq, json, replayed } = await this.#writeOne(identity, once, () => write);
    return { seq, delivered: Number(json), ...(replayed && { replayed }) };
  }

  /** Makes the write of a step of a transaction, as the single write of its kind would. Throws as that. */
  prepare(identity: Identity, step: RecordStep): Awaitable<PreparedStep> {
    return { write: this.#make.withActor(this.#make.step(identity, step), identity) };
  }

  /** Reduces the outcome of a step to the fields that the writer can read, and counts it. */
  finishStep(identity: Identity, outcome: WriteOutcome, { write: { type } }: PreparedStep): Awaitable<WriteOutcome> {
    if (type === 'check') return outcome;
    return thenOrNow(this.#finish(identity, [outcome], type), ([finished]) => finished as WriteOutcome);
  }

  /** Rejects with the error of `make`. Not async: each further promise slows every write. */
  #writeOne(identity: Identity, once: IdempotencyKey | undefined, make: () => Write): Promise<WriteOutcome> {
    let write: Write;
    try {
      write = make();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#submit(identity, [write], once).then(
      (outcomes) => thenOrNow(this.#finish(identity, outcomes, write.type), ([outcome]) => outcome as WriteOutcome),
      (error: unknown) => this.#countRefused(error),
    );
  }

  #countRefused(error: unknown): never {
    this.counters.refused++;
    throw error;
  }

  #submit(identity: Identity, writes: WriteGroup, once: IdempotencyKey | undefined): Promise<readonly WriteOutcome[]> {
    const { commits } = this.context;
    const group = this.#namesActors ? withActor(writes, identity) : writes;
    return once === undefined ? commits.submit(group) : this.#inFlight.run(once, () => commits.submit(group, once));
  }

  /** Redacts the outcomes; a publisher receives no record. */
  #finish(
    identity: Identity,
    outcomes: readonly WriteOutcome[],
    type: Write['type'],
  ): Awaitable<readonly WriteOutcome[]> {
    this.counters.writes += outcomes.length;
    return type === 'publish' ? outcomes : this.rights.redact(identity, outcomes);
  }
}

/** Adds the actor for the audit log. */
function withActor(writes: WriteGroup, identity: Identity): WriteGroup {
  const by = actorOf(identity);
  return writes.map((write) => ({ ...write, by }));
}

type WriteOf<Type extends Write['type']> = Extract<Write, { type: Type }>;

/** Makes the writes of requests to one table, after checking rights and schema. Each method throws what is wrong. */
class WriteMaker {
  readonly rights: CallerPermissions;
  readonly input: RecordInput;
  readonly #table: TablePlan;
  readonly #context: ResourceContext;

  constructor(table: TablePlan, context: ResourceContext) {
    this.rights = new CallerPermissions(table, context);
    this.input = new RecordInput(table, context.limits, this.rights);
    this.#table = table;
    this.#context = context;
  }

  /** Makes the write of a step of a transaction. */
  step(identity: Identity, { op, id, data, precondition }: RecordStep): Write {
    switch (op) {
      case 'create':
        return this.create(identity, data);
      case 'put':
        return this.put(identity, id, data, precondition);
      case 'patch':
        return this.patch(identity, keyOf(id), data, precondition);
      case 'delete':
        return this.delete(identity, keyOf(id), precondition);
      case 'check':
        return this.check(identity, keyOf(id), precondition ?? 'any');
      case 'publish':
        return this.publish(identity, id ?? null, data);
    }
  }

  create(identity: Identity, body: unknown): WriteOf<'create'> {
    const guard = this.rights.guard(identity, ['create']);
    return this.newRecord(this.input.parseFull(identity, body), guard);
  }

  newRecord(parsed: Cells, guard: WriteCheck | undefined): WriteOf<'create'> {
    const [id, cells] = this.input.withNewKey(undefined, parsed);
    return { type: 'create', table: this.#table, id, cells, guard };
  }

  put(
    identity: Identity,
    id: RecordKey | undefined,
    body: unknown,
    precondition: Precondition | undefined,
  ): WriteOf<'put' | 'patch'> {
    const guard = this.rights.guard(identity, putActions(precondition));
    const [key, cells] = this.input.withNewKey(id, this.input.parseFull(identity, body));
    const keep = this.rights.keptIndexes(identity, body);
    return { type: 'put', table: this.#table, id: key, cells, precondition, keep, guard };
  }

  patch(
    identity: Identity,
    id: RecordKey,
    body: unknown,
    precondition: Precondition | undefined,
  ): WriteOf<'put' | 'patch'> {
    const guard = this.rights.guard(identity, ['update']);
    const [key, cells] = this.input.withKey(id, this.input.parsePatch(identity, body));
    return { type: 'patch', table: this.#table, id: key, cells, precondition, guard };
  }

  delete(identity: Identity, id: RecordKey, precondition: Precondition | undefined): WriteOf<'delete'> {
    const guard = this.rights.guard(identity, ['delete']);
    return { type: 'delete', table: this.#table, id, precondition, guard };
  }

  check(identity: Identity, id: RecordKey, precondition: Precondition): WriteOf<'check'> {
    const guard = this.rights.guard(identity, ['read']);
    return { type: 'check', table: this.#table, id, precondition, guard };
  }

  /** Makes a message; its outcome has the number of subscriptions that receive it. */
  publish(identity: Identity, id: RecordKey | null, data: unknown): WriteOf<'publish'> {
    const table = this.#table;
    const { access, hub, limits } = this.#context;
    const guard = this.rights.guard(identity, ['publish']);
    if (data === undefined) throw new AppError('VALIDATION_ERROR', 'There is no data to publish.');
    checkJson(limits)(data, 'data', throwInvalid);
    const answer = String(hub.audience(table, id));
    const withRecord = access.rulesOf(table).isByRecord;
    return { type: 'publish', table, id, data: JSON.stringify(data), answer, withRecord, guard };
  }

  patchMany(identity: Identity, rawQuery: string, body: unknown): BulkWrite {
    const guard = this.rights.guard(identity, ['update']);
    const chosen = this.#chooseMany(identity, rawQuery, 'update');
    const cells = this.input.parsePatch(identity, body);
    const { fields, primaryKey } = this.#table;
    if (cells[fields.indexOf(primaryKey)] !== undefined) {
      throw invalidField(primaryKey.name, 'is the key of one record and cannot be set for many');
    }
    return { type: 'patch-where', cells, ...chosen, guard };
  }

  deleteMany(identity: Identity, rawQuery: string): BulkWrite {
    const guard = this.rights.guard(identity, ['delete']);
    return { type: 'delete-where', ...this.#chooseMany(identity, rawQuery, 'delete'), guard };
  }

  /** Chooses the records of a bulk write: those that its writer can read and may change. */
  #chooseMany(
    identity: Identity,
    rawQuery: string,
    action: Action,
  ): Pick<BulkWrite, 'table' | 'filter' | 'limit' | 'expected' | 'named'> {
    const table = this.#table;
    const { access, limits } = this.#context;
    const view = access.viewOf(identity);
    const { filter, expected } = parseBulkQuery(rawQuery, { table, limits, view });
    access.checkReads(relatedTables(filter === undefined ? {} : { filter }), identity);
    const allowed: Filter | undefined = both(view?.of(table)?.filter, access.check(table, action, identity));
    const named = access.decide(table, 'read', identity) !== false;
    return { table, filter: both(filter, allowed), limit: limits.bulk, expected, named };
  }

  /** Adds the actor for the audit log, where the table or one that refers to it has one. */
  withActor(write: Write, identity: Identity): Write {
    return namesActors(this.#table) ? { ...write, by: actorOf(identity) } : write;
  }
}

function keyOf(id: RecordKey | undefined): RecordKey {
  if (id === undefined) throw invalidField('id', 'is required');
  return id;
}

/** PUT replaces or creates; its condition can say which of them it is. */
function putActions(precondition: Precondition | undefined): readonly Action[] {
  if (precondition === undefined) return ['update', 'create'];
  return precondition === 'none' ? ['create'] : ['update'];
}

/** Returns the caller as the audit log names it. */
function actorOf(identity: Identity): Actor {
  if (identity === HOOK) return { type: 'hook' };
  if (identity.type !== 'principal') return { type: identity.type };
  const { type, sub, roles, keyId } = identity;
  return { type, sub, roles, ...(keyId === undefined ? {} : { key: keyId }) };
}
