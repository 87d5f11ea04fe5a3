import type { Identity } from '../../auth/identity.ts';
import type { IdempotencyKey } from '../../store/store.ts';
import { makeIdempotencyKey } from '../idempotency.ts';
import type { StepResult, TransactionResult } from './transactions.ts';

/** Formats the results of the steps as a JSON array; without `records` the records are left out. */
export function formatResults({ steps }: TransactionResult, records = true): string {
  return `[${steps.map((step) => formatResult(step, records)).join(',')}]`;
}

/** Records are JSON text already. */
function formatResult({ op, table, outcome }: StepResult, records: boolean): string {
  const { id, seq, created, changed, json } = outcome;
  const members = [
    `"op":"${op}","table":${JSON.stringify(table)},"id":${JSON.stringify(id)},"seq":${seq}`,
    ...(op === 'publish' ? [`"delivered":${Number(json)}`] : []),
    ...(op === 'create' || op === 'put' || op === 'patch' ? [`"created":${created},"changed":${changed}`] : []),
    ...(records && op !== 'publish' && json !== '' ? [`"data":${json}`] : []),
  ];
  return `{${members.join(',')}}`;
}

export interface RepeatableTransaction {
  readonly identity: Identity;
  /** Key of the client's. */
  readonly key: string;
  /** Steps as they were sent. */
  readonly steps: unknown;
}

/** Makes the key by which a repeated transaction is recognised, over whatever transport it is sent. */
export function makeTransactionKey({ identity, key, steps }: RepeatableTransaction): IdempotencyKey {
  return makeIdempotencyKey({ table: undefined, identity, space: 'transaction', key, parts: [steps ?? null] });
}
