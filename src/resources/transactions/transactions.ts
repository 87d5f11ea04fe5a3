import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import { placeError, placeOfStep } from '../../store/placed-error.ts';
import type { Write } from '../../store/rows/write.ts';
import type { Awaitable, IdempotencyKey, RecordKey, WriteOutcome } from '../../store/store.ts';
import type { WriteQueue } from '../../store/write-queue.ts';
import { InFlightKeys } from '../idempotency.ts';
import { parseKeyValue } from '../key.ts';
import type { TableResource } from '../table/resource.ts';
import type { PreparedStep } from '../table/types.ts';
import { resolveReference, resolveReferences, type StepKeys } from './references.ts';
import { parseSteps, type TransactionStep } from './steps.ts';

/** Attempts of a transaction whose records change while hooks of the application look at them. */
const MAX_ATTEMPTS = 25;

export interface TransactionsContext {
  readonly commits: WriteQueue;
  /** Maximum of steps. */
  readonly maxSteps: number;
  isStored(once: IdempotencyKey): Awaitable<boolean>;
}

export interface TransactionRequest {
  readonly identity: Identity;
  /** Tables that the caller can name, by their export names: those of the transport that it uses. */
  readonly resources: ReadonlyMap<string, TableResource>;
  /** Steps as they were sent. */
  readonly steps: unknown;
  readonly once?: IdempotencyKey | undefined;
}

type StepsRequest = Pick<TransactionRequest, 'identity' | 'once'>;

/** Outcome of one step. */
export interface StepResult extends Pick<TransactionStep, 'op' | 'table'> {
  readonly outcome: WriteOutcome;
}

export interface TransactionResult {
  /** Position after the transaction: the seq of its last change; where nothing changed, the highest seq that it has seen. */
  readonly seq: number;
  /** Results in the order of the steps. */
  readonly steps: readonly StepResult[];
  /** True for the result of an earlier transaction with the same key: this time nothing was written. */
  readonly replayed: boolean;
}

/** Runs transactions of one application: writes to several tables that happen all or not at all. */
export class Transactions {
  readonly #context: TransactionsContext;
  readonly #inFlight = new InFlightKeys();

  constructor(context: TransactionsContext) {
    this.#context = context;
  }

  get maxSteps(): number {
    return this.#context.maxSteps;
  }

  /**
   * Checks the steps as single writes would be checked, and commits them together. Throws as those, with the step in the
   * error; then nothing was written.
   */
  async run(request: TransactionRequest): Promise<TransactionResult> {
    const { resources } = request;
    return this.runSteps(parseSteps(request.steps, { resources, maxSteps: this.#context.maxSteps }), request);
  }

  /** Runs steps that were parsed. Throws as `run`. */
  async runSteps(steps: readonly TransactionStep[], request: StepsRequest): Promise<TransactionResult> {
    const { once } = request;
    if (once === undefined) return this.#runSteps(steps, request);
    return this.#inFlight.run(once, () => this.#runSteps(steps, request));
  }

  async #runSteps(steps: readonly TransactionStep[], { identity, once }: StepsRequest): Promise<TransactionResult> {
    const isKept = once !== undefined && (await this.#context.isStored(once));
    for (let attempt = 1; ; attempt++) {
      const prepared = await prepareAll(steps, identity, isKept);
      try {
        const committed = await this.commit(prepared, once);
        return toResult(steps, await finishAll(steps, prepared, { identity, committed }));
      } catch (error) {
        if (!isRetried(prepared, error)) throw countRefused(steps, error);
        if (attempt === MAX_ATTEMPTS) throw keepsChanging();
      }
    }
  }

  /** Commits prepared steps. An error of one of them names it. */
  commit(prepared: readonly PreparedStep[], once?: IdempotencyKey): Promise<readonly WriteOutcome[]> {
    const writes = prepared.map(({ write }, index): Write => ({ ...write, place: placeOfStep(index) }));
    return this.#context.commits.submit(writes, once);
  }
}

/** True when the step that failed depends on a read that is out of date: then the transaction may be made again. */
export function isRetried(prepared: readonly PreparedStep[], error: unknown): boolean {
  if (!(error instanceof AppError) || error.code !== 'PRECONDITION_FAILED' || error.step === undefined) return false;
  return prepared[error.step]?.isRetried === true;
}

/** CONFLICT for a transaction whose reads were out of date each time that it was made. */
export function keepsChanging(): AppError {
  return new AppError('CONFLICT', 'The records of the transaction keep changing; send it again.');
}

async function prepareAll(
  steps: readonly TransactionStep[],
  identity: Identity,
  isKept: boolean,
): Promise<readonly PreparedStep[]> {
  const keys = new Map<string, RecordKey | undefined>();
  for (const { name } of steps) if (name !== undefined) keys.set(name, undefined);
  const written = new WrittenRecords();
  const prepared: PreparedStep[] = [];
  for (const [index, step] of steps.entries()) {
    try {
      const made = await prepareStep(step, { identity, keys, written, isKept });
      prepared.push(made);
      const { write } = made;
      const id = 'id' in write ? write.id : null;
      if (id === null) continue;
      if (step.name !== undefined) keys.set(step.name, id);
      if (write.type !== 'check' && write.type !== 'publish') written.add(step.resource, id);
    } catch (error) {
      step.resource.counters.refused++;
      throw error instanceof AppError ? placeError(error, placeOfStep(index)) : error;
    }
  }
  return prepared;
}

interface PrepareScope {
  readonly identity: Identity;
  readonly keys: StepKeys;
  readonly written: WrittenRecords;
  readonly isKept: boolean;
}

function prepareStep(
  step: TransactionStep,
  { identity, keys, written, isKept }: PrepareScope,
): Awaitable<PreparedStep> {
  const { op, resource, precondition } = step;
  const { table, maxIdLength } = resource;
  const sent = resolveReference(step.id, 'id', keys);
  const id = sent === undefined ? undefined : parseKeyValue(table, sent, maxIdLength);
  // What is published is any JSON: an object in it is a value.
  const data = op === 'publish' ? step.data : resolveReferences(step.data, table, keys);
  const isRepeated = id !== undefined && written.has(resource, id);
  return resource.prepare(step.identity ?? identity, { op, id, data, precondition, isRepeated, isKept });
}

/** Records that the steps so far write. */
export class WrittenRecords {
  readonly #keys = new Map<TableResource, Set<RecordKey>>();

  add(resource: TableResource, id: RecordKey): void {
    const keys = this.#keys.get(resource);
    if (keys === undefined) this.#keys.set(resource, new Set([id]));
    else keys.add(id);
  }

  has(resource: TableResource, id: RecordKey): boolean {
    return this.#keys.get(resource)?.has(id) === true;
  }
}

interface CommittedSteps {
  readonly identity: Identity;
  readonly committed: readonly WriteOutcome[];
}

/** Reduces the outcomes to what the caller can read. */
async function finishAll(
  steps: readonly TransactionStep[],
  prepared: readonly PreparedStep[],
  { identity, committed }: CommittedSteps,
): Promise<readonly WriteOutcome[]> {
  const finished: WriteOutcome[] = [];
  for (const [at, { resource, identity: own = identity }] of steps.entries()) {
    finished.push(await resource.finishStep(own, committed[at] as WriteOutcome, prepared[at] as PreparedStep));
  }
  return finished;
}

function toResult(steps: readonly TransactionStep[], outcomes: readonly WriteOutcome[]): TransactionResult {
  return {
    seq: Math.max(...outcomes.map(({ seq, transaction = seq }) => transaction)),
    steps: outcomes.map((outcome, at) => {
      const { op, table } = steps[at] as TransactionStep;
      return { op, table, outcome };
    }),
    replayed: outcomes.some(({ replayed }) => replayed === true),
  };
}

function countRefused(steps: readonly TransactionStep[], error: unknown): unknown {
  const step = error instanceof AppError && error.step !== undefined ? steps[error.step] : undefined;
  if (step !== undefined) step.resource.counters.refused++;
  return error;
}
