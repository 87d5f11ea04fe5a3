import type { Identity } from '../../../auth/identity.ts';
import { invalidField } from '../../../errors.ts';
import { isObject } from '../../../resources/body/values.ts';
import type { TableResource } from '../../../resources/table/resource.ts';
import type { TransactionResult, Transactions } from '../../../resources/transactions/transactions.ts';
import { formatResults, makeTransactionKey } from '../../../resources/transactions/wire.ts';
import { atPlace, placeOfStep } from '../../../store/placed-error.ts';
import type { Ref } from '../../socket/auth-message.ts';
import { invalid, type LiveMessage } from '../messages.ts';
import type { LiveWriter } from './writes.ts';

/** Digits of a seq. */
const SEQ = /^\d{1,16}$/;

interface LiveTransactionScope {
  readonly transactions: Transactions;
  /** Tables that a step can name, by export name. */
  readonly tables: ReadonlyMap<string, TableResource>;
}

/** Runs a `transaction` message (PROTOCOL.md §7.6). Throws INVALID_MESSAGE, and as the transaction does. */
export async function runTransaction(
  { value, ref }: LiveMessage,
  { transactions, tables }: LiveTransactionScope,
  writer: LiveWriter,
): Promise<TransactionResult> {
  if (value.return !== undefined && value.return !== 'record') throw invalid('return takes "record".');
  const { identity } = writer;
  const steps = toSteps(value.steps);
  const result = await transactions.run({ identity, resources: tables, steps, once: keyOf(writer, ref, steps) });
  const [first] = result.steps;
  const resource = first && tables.get(first.table);
  if (resource !== undefined) resource.counters.messages++;
  return result;
}

function keyOf(
  { identity, client }: { readonly identity: Identity; readonly client: string | undefined },
  ref: Ref | undefined,
  steps: unknown,
): ReturnType<typeof makeTransactionKey> | undefined {
  if (client === undefined || ref === undefined) return undefined;
  return makeTransactionKey({ identity, key: JSON.stringify(['live', client, ref]), steps });
}

/** Formats the acknowledgement, with the results of the steps in their order. */
export function formatTransaction(result: TransactionResult, { value, ref }: LiveMessage): object {
  const results = JSON.parse(formatResults(result, value.return === 'record')) as { readonly seq: number }[];
  return {
    type: 'ack',
    ref,
    seq: String(result.seq),
    results: results.map((step) => ({ ...step, seq: String(step.seq) })),
    ...(result.replayed ? { replayed: true } : {}),
  };
}

/** Steps as everywhere else, where positions are numbers. What is no list of steps is left as it is, to be refused. */
function toSteps(steps: unknown): unknown {
  if (!Array.isArray(steps)) return steps;
  return steps.map((step: unknown, index) => {
    if (!isObject(step) || !Object.hasOwn(step, 'if_seq') || step.if_seq === null) return step;
    return atPlace(placeOfStep(index), () => ({ ...step, if_seq: toPosition(step.if_seq) }));
  });
}

function toPosition(seq: unknown): number {
  if (typeof seq === 'string' && SEQ.test(seq)) return Number(seq);
  throw invalidField('if_seq', 'must be the seq of the record, a string, or null if it must not exist');
}
