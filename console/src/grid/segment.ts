import { type Entry, makeOrder } from '../../../src/client/live/order.ts';

export type Id = string | number;
export type Rec = Readonly<Record<string, unknown>>;

/** Row of the grid: a record as it was at a position of the log. */
export interface Row extends Entry<Rec> {
  readonly asOf: number;
}

/** Change of one record, as the channel of the table tells it. */
export interface Change {
  readonly id: Id;
  readonly seq: number;
  /** Undefined when the record is not in the list any more. */
  readonly record: Rec | undefined;
  readonly isNew: boolean;
}

export interface Page {
  readonly rows: readonly Row[];
  readonly isLast: boolean;
}

/** What a change did to the rows. */
export interface Effect {
  /** Index of the row now, where it is among them. */
  readonly index: number | undefined;
  /** Index that it had, where it was. */
  readonly from: number | undefined;
  /** Fields that are different, of a row that was there; undefined for a row that came. */
  readonly fields: readonly string[] | undefined;
}

const NOTHING: Effect = { index: undefined, from: undefined, fields: undefined };

/**
 * Contiguous part of an ordered list: the rows from `start` on. What lies before its first and behind its last row is not
 * known, only that it is there: `lower` and `upper` are the rows at its ends when they were read.
 */
export class Segment {
  start = 0;
  rows: Row[] = [];
  isLast = false;
  /** Changes may have moved rows across its ends, so that `start` may be wrong. */
  hasDrifted = false;
  readonly #order: (a: Row, b: Row) => number;
  #lower: Row | undefined;
  #upper: Row | undefined;

  constructor(sort: string) {
    this.#order = makeOrder<Rec>(sort);
  }

  get end(): number {
    return this.start + this.rows.length;
  }

  /** Begins anew with a page. */
  replace(start: number, { rows, isLast }: Page): void {
    this.start = start;
    this.rows = [...rows];
    this.isLast = isLast;
    this.#lower = rows[0];
    this.#upper = rows.at(-1);
    this.hasDrifted = false;
  }

  /** Adds the page behind. A record that was read earlier, and has moved, is in the newer place. */
  append({ rows, isLast }: Page): void {
    const keys = new Set(rows.map(({ id }) => id));
    this.rows = [...this.rows.filter(({ id }) => !keys.has(id)), ...rows];
    this.isLast = isLast;
    this.#upper = rows.at(-1) ?? this.#upper;
  }

  /** Drops rows from the beginning until so many are left. */
  dropHead(keep: number): void {
    const drop = this.rows.length - keep;
    if (drop <= 0) return;
    this.rows.splice(0, drop);
    this.start += drop;
    this.#lower = this.rows[0];
  }

  indexOf(id: Id): number {
    return this.rows.findIndex((row) => row.id === id);
  }

  /** Applies a change where the order of the list says. */
  apply({ id, record, seq }: Change): Effect {
    const from = this.indexOf(id);
    const before = from < 0 ? undefined : this.rows[from];
    if (before !== undefined && before.asOf >= seq) return NOTHING;
    if (record === undefined) {
      if (before === undefined) this.hasDrifted ||= this.start > 0;
      else this.rows.splice(from, 1);
      return { ...NOTHING, from: from < 0 ? undefined : from };
    }
    const row = { id, record, asOf: seq };
    const fields = before && changedFields(before.record, record);
    if (before !== undefined && this.#staysAt(from, row)) {
      this.rows[from] = row;
      return { index: from, from, fields };
    }
    if (before !== undefined) this.rows.splice(from, 1);
    else this.hasDrifted ||= this.start > 0;
    const index = this.#placeOf(row);
    if (index !== undefined) this.rows.splice(index, 0, row);
    return { index, from: from < 0 ? undefined : from, fields };
  }

  #staysAt(index: number, row: Row): boolean {
    const [before, after] = [this.rows[index - 1], this.rows[index + 1]];
    if (before === undefined ? !this.#isAboveLower(row) : this.#order(before, row) >= 0) return false;
    return after === undefined ? this.#isBelowUpper(row) : this.#order(row, after) < 0;
  }

  #isAboveLower(row: Row): boolean {
    return this.start === 0 || this.#lower === undefined || this.#order(row, this.#lower) >= 0;
  }

  #isBelowUpper(row: Row): boolean {
    return this.isLast || this.#upper === undefined || this.#order(row, this.#upper) <= 0;
  }

  /** Index where a row belongs; undefined when that is before or behind the segment. */
  #placeOf(row: Row): number | undefined {
    if (!this.#isAboveLower(row) || !this.#isBelowUpper(row)) return undefined;
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order(this.rows[middle] as Row, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function changedFields(before: Rec, after: Rec): readonly string[] {
  return Object.keys(after).filter((name) => {
    const [a, b] = [before[name], after[name]];
    return a !== b && JSON.stringify(a) !== JSON.stringify(b);
  });
}
