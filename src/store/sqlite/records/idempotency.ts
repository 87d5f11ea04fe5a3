import type { Database, Statement } from 'better-sqlite3';
import type { IdempotencyConfig } from '../../../config/config.ts';
import { AppError } from '../../../errors.ts';
import { withoutForbiddenKeys } from '../../../schema/forbidden-key.ts';
import type { IdempotencyKey, WriteOutcome } from '../../store.ts';
import { LIMIT } from '../sql/limit.ts';

const CREATE = `CREATE TABLE IF NOT EXISTS tablecast_idempotency (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, expires INTEGER NOT NULL, outcomes TEXT NOT NULL
) STRICT`;

/** Outcomes of writes that may be sent again, by their key; stored in the transaction of the write itself. */
export class IdempotencyTable {
  readonly #limits: IdempotencyConfig;
  readonly #find: Statement;
  readonly #save: Statement;
  readonly #trimCount: Statement;
  readonly #trimAge: Statement;
  readonly #measure: Statement;
  readonly #oldest: Statement;
  readonly #removeTo: Statement;
  /** Bytes of all outcomes, or more where a write was rolled back; undefined until they were measured. */
  #bytes: number | undefined;

  constructor(db: Database, limits: IdempotencyConfig) {
    this.#limits = limits;
    db.exec(CREATE);
    db.exec('CREATE INDEX IF NOT EXISTS "tablecast_idempotency.expires" ON tablecast_idempotency (expires)');
    this.#find = db.prepare('SELECT hash, outcomes FROM tablecast_idempotency WHERE key = ? AND expires > ?').raw();
    this.#save = db.prepare(
      'INSERT OR REPLACE INTO tablecast_idempotency (key, hash, expires, outcomes) VALUES (?, ?, ?, ?)',
    );
    const remove = (where: string) =>
      db.prepare(
        `DELETE FROM tablecast_idempotency WHERE id IN (SELECT id FROM tablecast_idempotency WHERE ${where} ${LIMIT})`,
      );
    // Ids are consecutive and the lowest are removed first, so the number of keys follows from them without counting.
    this.#trimCount = remove('id <= (SELECT max(id) FROM tablecast_idempotency) - ?');
    this.#trimAge = remove('expires <= ?');
    this.#measure = db.prepare('SELECT coalesce(sum(octet_length(outcomes)), 0) FROM tablecast_idempotency').pluck();
    this.#oldest = db
      .prepare(`SELECT id, octet_length(outcomes) FROM tablecast_idempotency ORDER BY id ${LIMIT}`)
      .raw();
    this.#removeTo = db.prepare('DELETE FROM tablecast_idempotency WHERE id <= ?');
  }

  /**
   * Returns the outcomes of the write that used the key; undefined when the key is free. Throws IDEMPOTENCY_KEY_REUSED
   * when that was another request.
   */
  find({ key, hash }: IdempotencyKey, now: number): readonly WriteOutcome[] | undefined {
    const row = this.#find.get(key, now) as [hash: string, outcomes: string] | undefined;
    if (row === undefined) return undefined;
    if (row[0] !== hash) {
      throw new AppError('IDEMPOTENCY_KEY_REUSED', 'This key was used with another request; use a new one.');
    }
    const outcomes = JSON.parse(row[1]) as WriteOutcome[];
    return outcomes.map((outcome) => ({ ...outcome, json: withoutForbiddenKeys(outcome.json), replayed: true }));
  }

  has({ key }: IdempotencyKey, now: number): boolean {
    return this.#find.get(key, now) !== undefined;
  }

  save({ key, hash }: IdempotencyKey, outcomes: readonly WriteOutcome[], now: number): void {
    const json = JSON.stringify(outcomes);
    this.#save.run(key, hash, now + this.#limits.retention, json);
    if (this.#bytes !== undefined) this.#bytes += Buffer.byteLength(json);
  }

  /** Removes up to `limit` keys each by age, number and size. True when some may be left. */
  trim(now: number, limit: number): boolean {
    const old = this.#trimAge.run(now, limit).changes;
    const surplus = this.#trimCount.run(this.#limits.maxCount, limit).changes;
    return this.#trimSize(limit) || Math.max(old, surplus) >= limit;
  }

  /** Removes the oldest outcomes, at most `limit`, until the others fit the size. True when they still do not. */
  #trimSize(limit: number): boolean {
    const { maxSize } = this.#limits;
    if (this.#bytes !== undefined && this.#bytes <= maxSize) return false;
    // Keys that were removed by age or number still count in `#bytes`: measured again only when the size seems exceeded.
    let total = this.#measure.get() as number;
    let last: number | undefined;
    for (const [id, bytes] of this.#oldest.all(limit) as [number, number][]) {
      if (total <= maxSize) break;
      total -= bytes;
      last = id;
    }
    if (last !== undefined) this.#removeTo.run(last);
    this.#bytes = total;
    return total > maxSize;
  }
}
