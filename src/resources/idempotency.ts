import { createHash } from 'node:crypto';
import type { Identity } from '../auth/identity.ts';
import { AppError } from '../errors.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { IdempotencyKey } from '../store/store.ts';

/** A request as its sender would repeat it. */
export interface RepeatableRequest {
  readonly table: TablePlan;
  readonly identity: Identity;
  /** Where the sender's key counts: `http`, `ws:<client>`. */
  readonly space: string;
  readonly key: string;
  /** Everything that makes it the same request: method, URL, conditions and body, or the members of a message. */
  readonly parts: readonly unknown[];
}

/** By what a request is known when it comes again. Keys of one user or table are nothing to another. */
export function makeIdempotencyKey({ table, identity, space, key, parts }: RepeatableRequest): IdempotencyKey {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
  return { key: JSON.stringify([...callerOf(identity), table.name, space, key]), hash };
}

/** Who asked, so that nobody is ever given what another user was answered. */
function callerOf(identity: Identity): readonly string[] {
  return identity.type === 'principal' ? [identity.type, identity.sub] : [identity.type];
}

export function inProgress(): AppError {
  return new AppError('IDEMPOTENCY_IN_PROGRESS', 'A request with this key is being handled; ask again shortly.', {
    headers: { 'retry-after': '1' },
  });
}

export function keyReused(): AppError {
  return new AppError('IDEMPOTENCY_KEY_REUSED', 'This key was used with another request; make a new one.');
}

/** The keys whose first request has not been answered yet. */
export class InFlightKeys {
  readonly #keys = new Set<string>();

  /** Throws IDEMPOTENCY_IN_PROGRESS when a request with the key is under way. */
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
