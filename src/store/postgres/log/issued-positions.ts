import type { Readers } from '../database/readers.ts';
import type { PgSession } from '../database/session.ts';
import type { TableLog } from './log.ts';

/** Two positions between which the store has issued none, except the one just before the second. */
type UnissuedGap = readonly [after: number, before: number];

/** Ranges that are kept, the newest ones; each start that writes adds one. */
const MAX_GAPS = 1000;

/**
 * Knows the positions that the store has issued in its present state: after a backup was restored, positions of the lost
 * future do not count. Issued positions are the seqs of entries, those just before one, and those at which the schema
 * changed. Between the newest position at a start and the first one after it none was ever issued; these ranges are
 * stored. And a position that is not in the log was not issued either, as long as the log reaches back.
 */
export class PgPositions {
  readonly #readers: Readers;
  readonly #logs: readonly TableLog[];
  /** Position up to which the log cannot tell: of trimmed entries, marks of the schema, and tables that have left it. */
  readonly #unverifiableTo: number;
  readonly #gaps: UnissuedGap[];
  /** Newest position at the start, until the first commit. */
  #startSeq: number | undefined;
  /** Position at which the end of the log was lost. */
  #mark = 0;

  private constructor(readers: Readers, logs: readonly TableLog[], gaps: UnissuedGap[], unverifiableTo: number) {
    this.#readers = readers;
    this.#logs = logs;
    this.#gaps = gaps;
    this.#unverifiableTo = unverifiableTo;
  }

  static async open(session: PgSession, readers: Readers, logs: readonly TableLog[], lastSeq: number) {
    await session.send(
      'DELETE FROM gaps WHERE after < (SELECT after FROM gaps ORDER BY after DESC LIMIT 1 OFFSET $1)',
      [MAX_GAPS],
    );
    const gaps = (await session.send('SELECT after, before FROM gaps ORDER BY after')).rows as unknown as UnissuedGap[];
    const marks = await session.send('SELECT coalesce(max(greatest(floor, shape)), 0) FROM tables');
    const positions = new PgPositions(readers, logs, [...gaps], Number(marks.rows[0]?.[0]));
    positions.#startSeq = lastSeq;
    return positions;
  }

  /** Newest position at the start, which the first commit must store as the beginning of a range; then undefined. */
  get startSeq(): number | undefined {
    return this.#startSeq;
  }

  /** Must be called after the first commit. `prev`: position that was taken before it. */
  committed(prev: number, first: number): void {
    if (this.#startSeq !== undefined) this.#gaps.push([Math.max(this.#startSeq, prev), first]);
    this.#startSeq = undefined;
  }

  /** Must be called when the end of the log was lost, with the position after it: subscribers begin there anew. */
  rewound(position: number): void {
    this.#mark = position;
  }

  /** False when a position, which is not after the newest one, was certainly not issued. */
  async wasIssued(position: number): Promise<boolean> {
    if (position === this.#mark) return true;
    const range = this.#gaps.findLast(([after]) => after < position);
    if (range !== undefined && position < range[1] - 1) return false;
    if (position <= this.#unverifiableTo || this.#logs.some(({ logStart }) => position <= logStart)) return true;
    return this.isInLog(position);
  }

  /** True for the position of an entry, and the one before it. */
  async isInLog(position: number): Promise<boolean> {
    const { rows } = await this.#readers.send('SELECT 1 FROM log WHERE seq BETWEEN $1 AND $1 + 1 LIMIT 1', [position]);
    return rows.length > 0;
  }
}
