import { HOOK, type Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import { compilePredicate, type JsonRecord } from '../../query/index.ts';
import type { Action, TablePlan } from '../../schema/plan.ts';
import { atPlace, placeError } from '../../store/placed-error.ts';
import { settleRelated } from '../../store/rows/related.ts';
import { checkPrecondition, type Precondition } from '../../store/rows/write.ts';
import type { Awaitable, IdempotencyKey, RecordKey, WriteOutcome } from '../../store/store.ts';
import { BatchBody, NdjsonBody, type PlacedRecord } from '../body/batch-body.ts';
import type { WriteHooks } from '../write-hooks.ts';
import { TableResource } from './resource.ts';
import type { PreparedStep, RecordStep, ResourceContext, WriteOptions } from './types.ts';

/** Attempts of a write whose record changes while its hook runs. */
const MAX_ATTEMPTS = 25;

export interface HookedContext extends ResourceContext {
  readonly hooks: WriteHooks;
  isKept(once: IdempotencyKey): Awaitable<boolean>;
}

interface HookTarget {
  readonly identity: Identity;
  readonly id: RecordKey;
  /** Action if the record exists. */
  readonly action: Action;
}

/** Record as a hook receives it. */
interface HookedRecord {
  readonly previous: JsonRecord | undefined;
  /**
   * True when the caller may not do this with this record: the write is refused in its transaction, and no hook is
   * called.
   */
  readonly isForbidden: boolean;
}

/**
 * Table whose writes call before-hooks of the application. A hook is called with valid records of callers that may
 * write; the record that it returns is validated like a request. The record does not change between the call of the
 * hook and the write.
 */
export class HookedTable extends TableResource {
  readonly #context: HookedContext;
  readonly #hooks: WriteHooks;

  constructor(table: TablePlan, context: HookedContext) {
    super(table, context);
    this.#context = context;
    this.#hooks = context.hooks;
  }

  override async create(identity: Identity, body: unknown, once?: IdempotencyKey): Promise<WriteOutcome> {
    const { beforeCreate } = this.#hooks;
    if (beforeCreate === undefined || (await this.#skipsHooks(identity, once)))
      return super.create(identity, body, once);
    const id = this.#checkRecord(identity, ['create'], body);
    const record = await this.#countRefused(beforeCreate({ identity, id, record: copyOf(body) }));
    return super.create(identity, record, once);
  }

  override async createMany(
    identity: Identity,
    input: readonly unknown[] | BatchBody,
    once?: IdempotencyKey,
  ): Promise<readonly WriteOutcome[]> {
    const { beforeCreate } = this.#hooks;
    const size = input instanceof BatchBody ? input.size : input.length;
    const isTooMany = size > this.#context.limits.batch;
    if (beforeCreate === undefined || isTooMany || (await this.#skipsHooks(identity, once))) {
      return super.createMany(identity, input, once);
    }
    const bodies = input instanceof BatchBody ? input.records(this.table).map(({ value }) => value) : input;
    const checked = this.#check(identity, ['create'], () =>
      this.input.parseBatch(identity, input).map(({ cells, place }) => ({
        id: atPlace(place, () => this.input.ownKey(undefined, cells)),
        place,
      })),
    );
    const records: PlacedRecord[] = [];
    for (const [index, { id, place }] of checked.entries()) {
      const hooked = beforeCreate({ identity, id, record: copyOf(bodies[index]) }).catch((error: unknown) => {
        throw error instanceof AppError ? placeError(error, place) : error;
      });
      records.push({ place, value: await this.#countRefused(hooked) });
    }
    return super.createMany(identity, new NdjsonBody(records), once);
  }

  override async put(
    identity: Identity,
    id: RecordKey | undefined,
    body: unknown,
    options: WriteOptions = {},
  ): Promise<WriteOutcome> {
    const { beforeCreate, beforeUpdate } = this.#hooks;
    const pass = beforeCreate === undefined && beforeUpdate === undefined;
    if (pass || (await this.#skipsHooks(identity, options.once))) return super.put(identity, id, body, options);
    const key = this.#checkRecord(identity, ['update', 'create'], body, id);
    if (key === undefined) return this.create(identity, body, options.once);
    const target = { identity, id: key, action: 'update' } as const;
    return this.#tryWrite(target, options, async ({ previous, isForbidden }, conditional) => {
      let record: unknown = body;
      const input = { identity, id: key, record: copyOf(body) };
      if (previous === undefined) record = (await beforeCreate?.(input)) ?? body;
      else if (!isForbidden) record = (await beforeUpdate?.({ ...input, previous, partial: false })) ?? body;
      return super.put(identity, key, record, conditional);
    });
  }

  override async patch(
    identity: Identity,
    id: RecordKey,
    body: unknown,
    options: WriteOptions = {},
  ): Promise<WriteOutcome> {
    const { beforeUpdate } = this.#hooks;
    if (beforeUpdate === undefined || (await this.#skipsHooks(identity, options.once))) {
      return super.patch(identity, id, body, options);
    }
    const { input } = this;
    this.#check(identity, ['update'], () => input.ownKey(id, input.parsePatch(identity, body)));
    return this.#tryWrite(
      { identity, id, action: 'update' },
      options,
      async ({ previous, isForbidden }, conditional) => {
        if (isForbidden || previous === undefined) return super.patch(identity, id, body, conditional);
        const record = await beforeUpdate({ identity, id, record: copyOf(body), previous, partial: true });
        return super.patch(identity, id, record, conditional);
      },
    );
  }

  override async delete(identity: Identity, id: RecordKey, options: WriteOptions = {}): Promise<WriteOutcome> {
    const { beforeDelete } = this.#hooks;
    if (beforeDelete === undefined || (await this.#skipsHooks(identity, options.once))) {
      return super.delete(identity, id, options);
    }
    this.#check(identity, ['delete'], () => {});
    return this.#tryWrite(
      { identity, id, action: 'delete' },
      options,
      async ({ previous, isForbidden }, conditional) => {
        if (!isForbidden && previous !== undefined) await beforeDelete({ identity, id, previous });
        return super.delete(identity, id, conditional);
      },
    );
  }

  override async patchMany(
    identity: Identity,
    rawQuery: string,
    body: unknown,
    once?: IdempotencyKey,
  ): Promise<WriteOutcome> {
    if (identity !== HOOK && this.#hooks.beforeUpdate !== undefined) throw this.#refuseMany('beforeUpdate');
    return super.patchMany(identity, rawQuery, body, once);
  }

  override async deleteMany(identity: Identity, rawQuery: string, once?: IdempotencyKey): Promise<WriteOutcome> {
    if (identity !== HOOK && this.#hooks.beforeDelete !== undefined) throw this.#refuseMany('beforeDelete');
    return super.deleteMany(identity, rawQuery, once);
  }

  override async prepare(identity: Identity, step: RecordStep): Promise<PreparedStep> {
    if (identity === HOOK || step.isKept) return super.prepare(identity, step);
    const { id, data } = step;
    const { beforeCreate, beforeUpdate, beforeDelete } = this.#hooks;
    switch (step.op) {
      case 'create':
        return beforeCreate === undefined ? super.prepare(identity, step) : this.#prepareCreate(identity, step);
      case 'put': {
        if (beforeCreate === undefined && beforeUpdate === undefined) return super.prepare(identity, step);
        const key = this.#checkRecord(identity, ['update', 'create'], data, id);
        if (key === undefined) return this.#prepareCreate(identity, step);
        return this.#prepareFound(identity, { ...step, id: key }, async ({ previous, isForbidden }) => {
          const input = { identity, id: key, record: copyOf(data) };
          if (previous === undefined) return (await beforeCreate?.(input)) ?? data;
          return isForbidden ? data : ((await beforeUpdate?.({ ...input, previous, partial: false })) ?? data);
        });
      }
      case 'patch': {
        if (beforeUpdate === undefined || id === undefined) return super.prepare(identity, step);
        this.#check(identity, ['update'], () => this.input.ownKey(id, this.input.parsePatch(identity, data)));
        return this.#prepareFound(identity, step, async ({ previous, isForbidden }) => {
          if (isForbidden || previous === undefined) return data;
          return beforeUpdate({ identity, id, record: copyOf(data), previous, partial: true });
        });
      }
      case 'delete':
        if (beforeDelete === undefined || id === undefined) return super.prepare(identity, step);
        this.#check(identity, ['delete'], () => {});
        return this.#prepareFound(identity, step, async ({ previous, isForbidden }) => {
          if (!isForbidden && previous !== undefined) await beforeDelete({ identity, id, previous });
          return undefined;
        });
      default:
        return super.prepare(identity, step);
    }
  }

  async #prepareCreate(identity: Identity, step: RecordStep): Promise<PreparedStep> {
    const { data } = step;
    const id = this.#checkRecord(identity, ['create'], data, step.id);
    const hooked = await this.#hooks.beforeCreate?.({ identity, id, record: copyOf(data) });
    return super.prepare(identity, { ...step, data: hooked ?? data });
  }

  /** Prepares the write of a record that must not change until the commit, after its hook. */
  async #prepareFound(
    identity: Identity,
    step: RecordStep,
    runHook: (found: HookedRecord) => Promise<unknown>,
  ): Promise<PreparedStep> {
    if (step.isRepeated) throw refuseRepeated();
    const action = step.op === 'delete' ? 'delete' : 'update';
    const target = { identity, id: step.id as RecordKey, action } as const;
    const { found, precondition } = await this.#find(target, step.precondition);
    const data = await runHook(found);
    const { write } = await super.prepare(identity, { ...step, data, precondition });
    return { write, isRetried: true };
  }

  /** Skips hooks for their own writes, and for a repeated request after the first time. */
  #skipsHooks(identity: Identity, once: IdempotencyKey | undefined): Awaitable<boolean> {
    if (identity === HOOK) return true;
    return once !== undefined && this.#context.isKept(once);
  }

  /** Refuses a write that the table would refuse in any case, before a hook is called. */
  #check<T>(identity: Identity, actions: readonly Action[], parse: () => T): T {
    try {
      this.rights.guard(identity, actions);
      return parse();
    } catch (error) {
      this.counters.refused++;
      throw error;
    }
  }

  /** Returns the key of a full record, if it has one already. */
  #checkRecord(identity: Identity, actions: readonly Action[], body: unknown, id?: RecordKey): RecordKey | undefined {
    const { input } = this;
    return this.#check(identity, actions, () => {
      const key = input.ownKey(id, input.parseFull(identity, body));
      if (key !== undefined) input.checkNew(key);
      return key;
    });
  }

  async #countRefused<T>(hooked: Promise<T>): Promise<T> {
    try {
      return await hooked;
    } catch (error) {
      this.counters.refused++;
      throw error;
    }
  }

  /**
   * Writes on the condition that the record is still as the hook received it, and calls the hook again when it is not.
   */
  async #tryWrite(
    target: HookTarget,
    { precondition, once }: WriteOptions,
    write: (conditional: HookedRecord, options: WriteOptions) => Promise<WriteOutcome>,
  ): Promise<WriteOutcome> {
    for (let attempt = 1; ; attempt++) {
      const { found, precondition: unchanged } = await this.#find(target, precondition);
      try {
        const options = { precondition: unchanged, ...(once === undefined ? {} : { once }) };
        return await write(found, options);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'PRECONDITION_FAILED') throw error;
        if (attempt === MAX_ATTEMPTS)
          throw new AppError('CONFLICT', 'The record keeps changing; send the write again.');
      }
    }
  }

  /** Reads the record for its hook, and the condition that it is still the same. Throws PRECONDITION_FAILED. */
  async #find(
    { identity, id, action }: HookTarget,
    precondition: Precondition | undefined,
  ): Promise<{ readonly found: HookedRecord; readonly precondition: Precondition }> {
    const stored = await this.#context.store.get(this.table, id);
    checkPrecondition(stored?.seq, precondition);
    const previous = stored && (JSON.parse(stored.json) as JsonRecord);
    const isForbidden = previous !== undefined && !(await this.#isAllowed(identity, action, previous));
    return { found: { previous, isForbidden }, precondition: stored === undefined ? 'none' : [stored.seq] };
  }

  /** False also for records that the caller cannot read, so that a hook's response does not reveal that they exist. */
  #isAllowed(identity: Identity, action: Action, record: JsonRecord): Awaitable<boolean> {
    const { access, store } = this.#context;
    const read = access.decide(this.table, 'read', identity);
    const permission = access.decide(this.table, action, identity);
    return settleRelated(store, this.table, (related) => {
      if (typeof read === 'object' && !compilePredicate(read)(record, related)) return false;
      return typeof permission === 'boolean' ? permission : compilePredicate(permission)(record, related);
    });
  }

  #refuseMany(hook: string): AppError {
    return new AppError(
      'HOOK_REFUSED',
      `A ${hook} hook looks at each record of this table, so that it takes no writes by filter: write one by one.`,
    );
  }
}

function refuseRepeated(): AppError {
  return new AppError(
    'HOOK_REFUSED',
    'A hook looks at each record of this table before it is written, so that a transaction writes each of them once.',
  );
}

function copyOf(body: unknown): Readonly<Record<string, unknown>> {
  return structuredClone(body) as Readonly<Record<string, unknown>>;
}
