import { createHash } from 'node:crypto';
import type { Identity } from '../auth/identity.ts';
import { AppError } from '../errors.ts';
import type { TablePlan } from '../schema/plan.ts';
import { formatKey } from '../store/idempotency-key.ts';
import type { IdempotencyKey } from '../store/store.ts';

/** Request as its client would repeat it. */
export interface RepeatableRequest {
  /** Undefined for a transaction, which is about several tables. */
  readonly table: TablePlan | undefined;
  readonly identity: Identity;
  /** Namespace of the client's key: `http`, `ws:<client>`. */
  readonly space: string;
  readonly key: string;
  /** Parts that make it the same request: method, URL, conditions and body, or the members of a message. */
  readonly parts: readonly unknown[];
}

/** Stands for a table in keys of transactions. No table has this name. */
const TRANSACTIONS = '_transaction';

/** Makes the key by which a repeated request is recognised. Keys are separate for each user and each table, and for transactions. */
export function makeIdempotencyKey({ table, identity, space, key, parts }: RepeatableRequest): IdempotencyKey {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
  return { key: formatKey({ caller: callerOf(identity), table: table?.name ?? TRANSACTIONS, space }, key), hash };
}

/** Identifies the caller, so that no caller receives the response to another user. */
function callerOf(identity: Identity): readonly string[] {
  return identity.type === 'principal' ? [identity.type, identity.sub] : [identity.type];
}

export function inProgress(): AppError {
  return new AppError('IDEMPOTENCY_IN_PROGRESS', 'A request with this key is being handled; try again shortly.', {
    headers: { 'retry-after': '1' },
  });
}

export function keyReused(): AppError {
  return new AppError('IDEMPOTENCY_KEY_REUSED', 'This key was used with another request; use a new one.');
}

/** Keys whose first request has not been answered yet. */
export class InFlightKeys {
  readonly #keys = new Set<string>();

  /** Throws IDEMPOTENCY_IN_PROGRESS while a request with the key is running. */
  async run<T>({ key }: IdempotencyKey, write: () => Promise<T>): Promise<T> {
    if (this.#keys.has(key)) throw inProgress();
    this.#keys.add(key);
    try {
      return await write();
    } finally {
      this.#keys.delete(key);
    }
  }
}
