import type { Rec } from './segment.ts';

/** Bytes of one page, after which reading it is given up. */
export const MAX_PAGE_BYTES = 1_048_576;
export const MAX_PAGE_ROWS = 200;
/** Rows that a page should have, before fields are left out of it. */
const ENOUGH_ROWS = 40;
const MIN_ROWS = 10;
/** Bytes of a value that is left out, where pages are too large. */
const LARGE_VALUE = 4_096;

/** What is asked for in one page. */
export interface PageShape {
  readonly rows: number;
  /** Fields with large values, which are not asked for. */
  readonly leftOut: ReadonlySet<string>;
}

export const WHOLE_PAGE: PageShape = { rows: MAX_PAGE_ROWS, leftOut: new Set() };

/** Makes pages fit by a sample of records: fewer rows, and where those would be too few, no large values. */
export function fitPage(sample: readonly Rec[], kept: ReadonlySet<string>): PageShape {
  const sizes = new Map<string, number>();
  for (const record of sample) {
    for (const [name, value] of Object.entries(record)) {
      sizes.set(name, Math.max(sizes.get(name) ?? 0, JSON.stringify(value).length));
    }
  }
  const rows = rowsFor(sizes);
  if (rows >= ENOUGH_ROWS) return { rows, leftOut: new Set() };
  const large = [...sizes].filter(([name, size]) => size > LARGE_VALUE && !kept.has(name)).map(([name]) => name);
  for (const name of large) sizes.delete(name);
  return { rows: rowsFor(sizes), leftOut: new Set(large) };
}

function rowsFor(sizes: ReadonlyMap<string, number>): number {
  let row = 1;
  for (const [name, size] of sizes) row += size + name.length;
  // Half of it: other rows may be larger than those of the sample.
  return Math.max(MIN_ROWS, Math.min(MAX_PAGE_ROWS, Math.floor(MAX_PAGE_BYTES / 2 / row)));
}
