import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import { makeIdempotencyKey } from '../../resources/idempotency.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { StepOp } from '../../resources/table/types.ts';
import type { TransactionStep } from '../../resources/transactions/steps.ts';
import type { StepResult, Transactions } from '../../resources/transactions/transactions.ts';
import type { Deliver, DeliverTogether, Delivery } from '../connector.ts';
import { bodyOf, keyOf, type TableOperation } from './target.ts';

/** Attempts of a transaction that removes records which others remove at the same time. */
const MAX_ATTEMPTS = 5;

/** Target of a flow whose tables are written in one transaction. */
export interface AtomicTarget {
  readonly name: string;
  readonly resource: TableResource;
  readonly operation: TableOperation;
}

const OPS: Readonly<Record<TableOperation, StepOp>> = {
  create: 'create',
  upsert: 'put',
  update: 'patch',
  delete: 'delete',
  publish: 'publish',
};

type Signalled = Parameters<Deliver>[0];

/** Writes the outputs of a flow to several tables, all or none. A repeated delivery is not written again. */
export function makeTogether(targets: readonly AtomicTarget[], transactions: Transactions): DeliverTogether {
  return async (deliveries) => {
    const parts = deliveries.map(({ at, delivery }) => ({ target: targets[at] as AtomicTarget, delivery }));
    const [first] = parts;
    if (first === undefined) return [];
    const once = keyOfAll(parts.map(({ delivery }) => delivery));
    for (let attempt = 1; ; attempt++) {
      const steps = await Promise.all(parts.map(({ target, delivery }) => stepOf(target, delivery)));
      try {
        const { steps: results } = await transactions.runSteps(steps, { identity: first.delivery.identity, once });
        return results.map((result, at) => answerOf(result, steps[at] as TransactionStep));
      } catch (error) {
        // A record that was to be removed has come or gone meanwhile.
        const isRace =
          error instanceof AppError && error.step !== undefined && parts[error.step]?.target.operation === 'delete';
        if (!isRace || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  };
}

/** One key for all: the part of each is in it, so that a flow with other targets is another transaction. */
function keyOfAll(deliveries: readonly Delivery[]): ReturnType<typeof makeIdempotencyKey> {
  const [first] = deliveries as readonly [Delivery];
  const key = deliveries.map((delivery) => delivery.key).join(' ');
  const parts = first.notes?.digest === undefined ? [] : [first.notes.digest];
  return makeIdempotencyKey({ table: undefined, identity: first.identity, space: 'flow', key, parts });
}

async function stepOf({ name, resource, operation }: AtomicTarget, delivery: Signalled): Promise<TransactionStep> {
  const { identity } = delivery;
  const { primaryKey } = resource.table;
  const step = { table: name, resource, identity, precondition: undefined, name: undefined, id: undefined };
  switch (operation) {
    case 'update':
      return {
        ...step,
        op: 'patch',
        id: keyOf(resource, delivery.output),
        data: bodyOf(resource, delivery, primaryKey.name),
      };
    case 'delete':
      return removalOf({ ...step, id: keyOf(resource, delivery.output), data: undefined }, identity);
    case 'publish':
      return { ...step, op: 'publish', data: delivery.output };
    default:
      return { ...step, op: OPS[operation], data: bodyOf(resource, delivery) };
  }
}

/** A record that is not there is removed as requested: then the transaction is about it not being there. */
async function removalOf(
  step: Omit<TransactionStep, 'op'> & { readonly id: string | number },
  identity: Identity,
): Promise<TransactionStep> {
  const stored = await step.resource.get(identity, step.id);
  return stored === undefined ? { ...step, op: 'check', precondition: 'none' } : { ...step, op: 'delete' };
}

/** Answer of one target, as when it is written alone. */
function answerOf({ outcome }: StepResult, { op, id }: TransactionStep): unknown {
  if (op === 'delete' || op === 'check') return { id, deleted: op === 'delete' };
  if (op === 'publish') return { seq: outcome.seq, delivered: Number(outcome.json) };
  return JSON.parse(outcome.json) as unknown;
}
