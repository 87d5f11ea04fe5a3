import type { Database } from 'better-sqlite3';
import { keyOf, type StoredSchema } from '../../../schema/migration/stored.ts';
import type { Plan } from '../../../schema/plan.ts';
import type { Change } from '../../store.ts';
import { newestPosition } from './layout.ts';
import type { LogState } from './log.ts';
import { addUnissuedRange, readUnissuedRanges, type UnissuedRange } from './unissued-ranges.ts';

export interface IssuedPositionsOptions {
  readonly plan: Plan;
  readonly stored: StoredSchema;
  /** One of each table of the plan. */
  readonly logs: readonly LogState[];
  /** The newest position. */
  readonly head: number;
}

/**
 * Tells the positions that the store has given out from those that it has not, as it is now: one that was put back to an
 * older state knows nothing of what came after that. Positions given out are the seqs of entries, those just before one (of
 * whoever is yet to be told of it), and those at which the schema changed.
 *
 * It is found out twice. Between the newest position at a start and the first one after it none was ever given, which is
 * kept: the positions of a lost future are there. And what is in no log was not given either; where nothing restarted, or
 * the clock was behind, that finds them, as long as the logs reach back.
 */
export class IssuedPositions {
  readonly #db: Database;
  readonly #logs: readonly LogState[];
  /** Up to here a log does not tell: of what was trimmed before, of marks of the schema, of tables that have left it. */
  readonly #untold: number;
  #gaps: readonly UnissuedRange[];
  /** The newest position at the start, until something is written. */
  #start: number | undefined;

  constructor(db: Database, { plan, stored, logs, head }: IssuedPositionsOptions) {
    this.#db = db;
    this.#logs = logs;
    const present = new Set(plan.tables.map(keyOf));
    const left = stored.tables.filter((table) => !present.has(keyOf(table)));
    this.#untold = newestPosition(db, { ...stored, tables: left });
    this.#gaps = readUnissuedRanges(db);
    this.#start = head;
  }

  /** False when a position that is not after the newest one was surely not given out. */
  knows(position: number): boolean {
    const gap = this.#gaps.findLast(([after]) => after < position);
    if (gap !== undefined && position < gap[1] - 1) return false;
    if (position <= this.#untold || this.#logs.some(({ oldest }) => position <= oldest)) return true;
    return this.#logs.some((log) => log.has(position));
  }

  /** Inside the transaction of a commit. */
  committing([first]: readonly Change[]): void {
    if (this.#start !== undefined && first !== undefined)
      this.#gaps = addUnissuedRange(this.#db, [this.#start, first.seq]);
  }

  /** The transaction is committed. */
  committed([first]: readonly Change[]): void {
    if (first !== undefined) this.#start = undefined;
  }
}
