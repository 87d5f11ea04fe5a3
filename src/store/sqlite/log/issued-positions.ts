import type { Database } from 'better-sqlite3';
import { keyOf, type StoredSchema } from '../../../schema/migration/stored.ts';
import type { Plan } from '../../../schema/plan.ts';
import type { Change } from '../../store.ts';
import { newestPosition } from './layout.ts';
import type { LogState } from './log.ts';

export interface IssuedPositionsOptions {
  readonly plan: Plan;
  readonly stored: StoredSchema;
  /** Log of each table of the plan. */
  readonly logs: readonly LogState[];
  /** Newest position. */
  readonly lastSeq: number;
}

/**
 * Knows the positions that the store has issued in its present state: after a backup was restored, positions of the lost
 * future do not count. Issued positions are the seqs of entries, those just before one (of subscribers that have not
 * received it yet), and those at which the schema changed.
 *
 * There are two checks. Between the newest position at a start and the first one after it none was ever issued; these
 * ranges are stored, and the positions of a lost future are in there. And a position that is in no log was not issued
 * either; where the server was not restarted, or the clock was behind, that finds them, as long as the logs reach back.
 */
export class IssuedPositions {
  readonly #db: Database;
  readonly #logs: readonly LogState[];
  /** Position up to which the logs cannot tell: of trimmed entries, marks of the schema, and tables that have left it. */
  readonly #unverifiableTo: number;
  #ranges: readonly UnissuedRange[];
  /** Newest position at the start, until the first commit. */
  #startSeq: number | undefined;

  constructor(db: Database, { plan, stored, logs, lastSeq }: IssuedPositionsOptions) {
    this.#db = db;
    this.#logs = logs;
    const present = new Set(plan.tables.map(keyOf));
    const left = stored.tables.filter((table) => !present.has(keyOf(table)));
    this.#unverifiableTo = newestPosition(db, { ...stored, tables: left });
    this.#ranges = readUnissuedRanges(db);
    this.#startSeq = lastSeq;
  }

  /** False when a position, which is not after the newest one, was certainly not issued. */
  wasIssued(position: number): boolean {
    const range = this.#ranges.findLast(([after]) => after < position);
    if (range !== undefined && position < range[1] - 1) return false;
    if (position <= this.#unverifiableTo || this.#logs.some(({ logStart }) => position <= logStart)) return true;
    return this.#logs.some((log) => log.has(position));
  }

  /** Must be called inside the transaction of a commit. */
  committing([first]: readonly Change[]): void {
    if (this.#startSeq !== undefined && first !== undefined)
      this.#ranges = addUnissuedRange(this.#db, [this.#startSeq, first.seq]);
  }

  /** Must be called after the transaction was committed. */
  committed([first]: readonly Change[]): void {
    if (first !== undefined) this.#startSeq = undefined;
  }
}

/** Two positions between which the store has issued none, except the one just before the second. */
export type UnissuedRange = readonly [after: number, before: number];

const KEY = 'gaps';
/** Ranges that are kept, the newest ones; each start that writes adds one. */
const MAX_RANGES = 1000;

/** Returns the ranges from the oldest to the newest. */
export function readUnissuedRanges(db: Database): readonly UnissuedRange[] {
  const text = db.prepare('SELECT value FROM tablecast_meta WHERE key = ?').pluck().get(KEY) as string | undefined;
  return text === undefined ? [] : (JSON.parse(text) as UnissuedRange[]);
}

/** Stores a range that is after all others, in the open transaction. Returns all stored ranges. */
export function addUnissuedRange(db: Database, range: UnissuedRange): readonly UnissuedRange[] {
  const ranges = [...readUnissuedRanges(db), range].slice(-MAX_RANGES);
  db.prepare('INSERT OR REPLACE INTO tablecast_meta VALUES (?, ?)').run(KEY, JSON.stringify(ranges));
  return ranges;
}
