import type { IdempotencyConfig } from '../../../src/config/config.ts';
import { AppError } from '../../../src/errors.ts';
import type { IdempotencyKey, WriteOutcome } from '../../../src/store/store.ts';
import type { Journal } from './journal.ts';

interface Kept {
  readonly hash: string;
  readonly expires: number;
  /** JSON text. */
  readonly outcomes: string;
}

/** Outcomes of writes by their idempotency key, from the oldest to the newest. */
export class KeptOutcomes {
  readonly #kept = new Map<string, Kept>();

  has({ key }: IdempotencyKey, now: number): boolean {
    return (this.#kept.get(key)?.expires ?? 0) > now;
  }

  /** Returns the outcomes of the write that used the key before. Throws IDEMPOTENCY_KEY_REUSED. */
  find(once: IdempotencyKey, now: number): readonly WriteOutcome[] | undefined {
    const kept = this.#kept.get(once.key);
    if (kept === undefined || !this.has(once, now)) return undefined;
    if (kept.hash !== once.hash) {
      throw new AppError('IDEMPOTENCY_KEY_REUSED', 'This key was used with another request; use a new one.');
    }
    return (JSON.parse(kept.outcomes) as WriteOutcome[]).map((outcome) => ({ ...outcome, replayed: true }));
  }

  save({ key, hash }: IdempotencyKey, outcomes: readonly WriteOutcome[], { expires, journal }: SaveOptions): void {
    const before = [...this.#kept];
    this.#kept.delete(key);
    this.#kept.set(key, { hash, expires, outcomes: JSON.stringify(outcomes) });
    journal.done(() => {
      this.#kept.clear();
      for (const [name, kept] of before) this.#kept.set(name, kept);
    });
  }

  /** Removes up to `limit` outcomes that are too old, too many or too large together; true when more may be left. */
  trim(now: number, limit: number, { maxCount, maxSize }: IdempotencyConfig): boolean {
    const old = [...this.#kept].filter(([, { expires }]) => expires <= now).map(([key]) => key);
    let removed = this.#remove(old.slice(0, limit));
    for (const [key] of [...this.#kept]) {
      if (removed === limit || (this.#kept.size <= maxCount && this.#size <= maxSize)) break;
      removed += this.#remove([key]);
    }
    return removed === limit;
  }

  get #size(): number {
    return [...this.#kept.values()].reduce((sum, { outcomes }) => sum + Buffer.byteLength(outcomes), 0);
  }

  #remove(keys: readonly string[]): number {
    for (const key of keys) this.#kept.delete(key);
    return keys.length;
  }
}

interface SaveOptions {
  readonly expires: number;
  readonly journal: Journal;
}
