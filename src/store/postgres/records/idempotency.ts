import type { IdempotencyConfig } from '../../../config/config.ts';
import { AppError, conditionFailed } from '../../../errors.ts';
import { withoutForbiddenKeys } from '../../../schema/forbidden-key.ts';
import type { IdempotencyKey, WriteOutcome } from '../../store.ts';
import type { SendSql } from '../database/session.ts';
import type { PgStatement } from '../sql/params.ts';
import { toArray } from '../sql/types.ts';

export type GroupResult = readonly WriteOutcome[] | AppError;

/** Outcomes that a commit stores with their key; seqs of its own changes are negative. */
export interface KeptOutcomes {
  readonly once: IdempotencyKey;
  readonly expires: number;
  readonly outcomes: readonly WriteOutcome[];
}

/** Stored outcomes, as a commit has read them. */
export interface StoredOutcomes {
  readonly hash: string;
  readonly base: number;
  readonly outcomes: string;
}

/** Base of outcomes that are not committed yet: their seqs stay negative. */
export const DRAFT = -1;

/** Returns the statement that reads the outcomes which are stored under some keys. */
export function findOutcomes(keys: readonly string[], now: number): PgStatement {
  return {
    sql: 'SELECT key, hash, base, outcomes FROM once WHERE key = ANY($1::text[]) AND expires > $2',
    params: [toArray(keys), now],
  };
}

/** Returns the statement that stores outcomes in the transaction of their writes. It fails where a key was used meanwhile. */
export function saveOutcomes(kept: readonly KeptOutcomes[], now: number): PgStatement {
  const rows = 'unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS u(key, hash, expires, outcomes)';
  const base = "coalesce(nullif(current_setting('tablecast.base', true), ''), '0')::bigint";
  const columns = ['hash', 'expires', 'base', 'outcomes', 'n'].map((name) => `${name} = excluded.${name}`);
  return {
    sql: `WITH saved AS (INSERT INTO once (key, hash, expires, base, outcomes, n)
      SELECT u.key, u.hash, u.expires, ${base}, u.outcomes, nextval('once_n_seq') FROM ${rows}
      ON CONFLICT (key) DO UPDATE SET ${columns.join(', ')} WHERE once.expires <= $5 RETURNING 1)
      SELECT require(count(*) = $6) FROM saved`,
    params: [
      toArray(kept.map(({ once }) => once.key)),
      toArray(kept.map(({ once }) => once.hash)),
      toArray(kept.map(({ expires }) => expires)),
      toArray(kept.map(({ outcomes }) => JSON.stringify(outcomes))),
      now,
      kept.length,
    ],
  };
}

/** Returns the outcomes of the write that used the key. Throws IDEMPOTENCY_KEY_REUSED when that was another request. */
export function replay({ hash }: IdempotencyKey, stored: StoredOutcomes): readonly WriteOutcome[] {
  if (stored.hash !== hash) {
    throw new AppError('IDEMPOTENCY_KEY_REUSED', 'This key was used with another request; use a new one.');
  }
  const outcomes = JSON.parse(stored.outcomes) as WriteOutcome[];
  return outcomes.map((outcome) => ({
    ...(stored.base === DRAFT ? outcome : finalOutcome(outcome, stored.base)),
    json: withoutForbiddenKeys(outcome.json),
    replayed: true,
  }));
}

/** Returns an outcome with final seqs: negative ones count from `base`. */
export function finalOutcome(outcome: WriteOutcome, base: number): WriteOutcome {
  const { seq, transaction } = outcome;
  if (seq >= 0) return outcome;
  const final = { ...outcome, seq: base - seq };
  return transaction === undefined ? final : { ...final, transaction: base - transaction };
}

/** Removes stored outcomes past their limits. */
export class OutcomeRetention {
  readonly #limits: IdempotencyConfig;
  /** Bytes of all outcomes, or more where some were removed by age or number; undefined until they were measured. */
  #bytes: number | undefined;

  constructor(limits: IdempotencyConfig) {
    this.#limits = limits;
  }

  /** Must be called for outcomes that were stored. */
  saved(kept: readonly KeptOutcomes[]): void {
    if (this.#bytes === undefined) return;
    for (const { outcomes } of kept) this.#bytes += Buffer.byteLength(JSON.stringify(outcomes));
  }

  /** Removes up to `limit` keys each by age, number and size. True when some may be left. */
  async trim(send: SendSql, now: number, limit: number): Promise<boolean> {
    const { maxCount, maxSize } = this.#limits;
    const remove = (where: string) =>
      `DELETE FROM once WHERE n IN (SELECT n FROM once WHERE ${where} ORDER BY n LIMIT $2)`;
    const old = await send(remove('expires <= $1'), [now, limit]);
    const beyond = 'n <= (SELECT n FROM once ORDER BY n DESC LIMIT 1 OFFSET $1)';
    const surplus = await send(remove(beyond), [maxCount, limit]);
    const isFull = Math.max(old.count, surplus.count) >= limit;
    if (this.#bytes !== undefined && this.#bytes <= maxSize) return isFull;
    // From the newest to the oldest: what is beyond the size goes.
    const sizes = 'SELECT n, sum(octet_length(outcomes)) OVER (ORDER BY n DESC) AS total FROM once';
    await send(`DELETE FROM once WHERE n IN (SELECT n FROM (${sizes}) AS s WHERE total > $1 ORDER BY n LIMIT $2)`, [
      maxSize,
      limit,
    ]);
    const { rows } = await send('SELECT coalesce(sum(octet_length(outcomes)), 0)::bigint FROM once', []);
    this.#bytes = Number(rows[0]?.[0]);
    return isFull || this.#bytes > maxSize;
  }
}

/** Returns results with the final seqs: those of the commit's own changes count from `base`. */
export function finalResults(results: readonly GroupResult[], base: number): readonly GroupResult[] {
  return results.map((result) => {
    if (!(result instanceof AppError)) {
      return result.some(({ seq }) => seq < 0) ? result.map((outcome) => finalOutcome(outcome, base)) : result;
    }
    // The condition was compared with a seq of this very commit.
    const own = result.code === 'PRECONDITION_FAILED' ? /at "-(\d+)"/.exec(result.message)?.[1] : undefined;
    return own === undefined ? result : conditionFailed(base + Number(own));
  });
}
