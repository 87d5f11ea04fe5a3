import type { Database } from 'better-sqlite3';

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
