import type { Database } from 'better-sqlite3';

/** Two positions of the store one after the other, between which it has never given one but that just before the second. */
export type UnissuedRange = readonly [after: number, before: number];

const KEY = 'gaps';
/** One comes with each start that is written to; of more than these the oldest go. */
const MOST = 1000;

/** From the oldest to the newest. */
export function readUnissuedRanges(db: Database): readonly UnissuedRange[] {
  const text = db.prepare('SELECT value FROM tablecast_meta WHERE key = ?').pluck().get(KEY) as string | undefined;
  return text === undefined ? [] : (JSON.parse(text) as UnissuedRange[]);
}

/** Keeps one that is after all others, in the transaction that is open; gives all that are kept. */
export function addUnissuedRange(db: Database, gap: UnissuedRange): readonly UnissuedRange[] {
  const gaps = [...readUnissuedRanges(db), gap].slice(-MOST);
  db.prepare('INSERT OR REPLACE INTO tablecast_meta VALUES (?, ?)').run(KEY, JSON.stringify(gaps));
  return gaps;
}
