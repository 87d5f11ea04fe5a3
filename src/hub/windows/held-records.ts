import type { ListQuery, Position } from '../../query/index.ts';
import type { RecordKey } from '../../store/store.ts';
import type { ChangedRecord } from '../change-view.ts';
import type { RecordCondition } from '../past/past-states.ts';

/** Window of a sorted list: the records that a list with the same query returns. The condition is regardless of offset and limit. */
export interface WindowQuery extends RecordCondition {
  /** Equal for windows that hold the same records. */
  readonly key: string;
  readonly offset: number;
  readonly limit: number;
  /** Returns the query of the first records of the list, regardless of offset and limit. Equal counts get the same object. */
  first(count: number): ListQuery;
  /** Returns the place of a record in the order, which is total. */
  positionOf(record: ChangedRecord): Position;
  compare(a: Position, b: Position): number;
}

/** Place of one record in the order. The record itself is not held. */
export interface Held {
  readonly id: RecordKey;
  readonly position: Position;
}

/** Ends of the window, and the number of records in it. */
export interface WindowEnds {
  readonly first: Held | undefined;
  readonly last: Held | undefined;
  readonly size: number;
}

const MIN_RESERVE_RECORDS = 10;
const MAX_RESERVE_RECORDS = 100;

/** Number of records beyond the window that are held, so that one that leaves is followed without reading the store. */
function reserveOf({ limit }: WindowQuery): number {
  return Math.min(MAX_RESERVE_RECORDS, Math.max(MIN_RESERVE_RECORDS, limit >> 1));
}

/** Number of records of the list that are read to follow the window. */
export function firstRecords(query: WindowQuery): number {
  return query.offset + query.limit + reserveOf(query);
}

/** First records of a list in order: those before the window, the window, and a reserve behind it. */
export class HeldRecords {
  readonly #query: WindowQuery;
  readonly #held: Held[];
  /** True when no record of the list is behind those that are held. */
  #isComplete: boolean;

  /** `held` is in order. */
  constructor(query: WindowQuery, held: Held[], isComplete: boolean) {
    this.#query = query;
    this.#held = held;
    this.#isComplete = isComplete;
    this.#trim();
  }

  get ends(): WindowEnds {
    const { offset, limit } = this.#query;
    const end = Math.min(this.#held.length, offset + limit);
    const size = Math.max(0, end - offset);
    return { first: size === 0 ? undefined : this.#held[offset], last: this.#held[end - 1], size };
  }

  /** Records of the window, in order. */
  get window(): readonly Held[] {
    const { offset, limit } = this.#query;
    return this.#held.slice(offset, offset + limit);
  }

  /** True when more of the list has to be read to know the window. */
  get isShort(): boolean {
    const { offset, limit } = this.#query;
    return !this.#isComplete && this.#held.length < offset + limit;
  }

  /** Returns the index of a record in the window; undefined when it is outside. */
  indexOf({ position }: Held): number | undefined {
    const { offset, limit } = this.#query;
    const index = this.#lowerBound(position);
    const found = this.#held[index];
    const isFound = found !== undefined && this.#query.compare(found.position, position) === 0;
    return isFound && index >= offset && index < offset + limit ? index - offset : undefined;
  }

  /** Moves a record of the list from one place to another; undefined for none. */
  move(from: Held | undefined, to: Held | undefined): void {
    if (from !== undefined) this.#remove(from);
    if (to !== undefined) this.#insert(to);
    this.#trim();
  }

  #remove({ position }: Held): void {
    const index = this.#lowerBound(position);
    const found = this.#held[index];
    // Records behind those that are held are not known.
    if (found !== undefined && this.#query.compare(found.position, position) === 0) this.#held.splice(index, 1);
  }

  #insert(record: Held): void {
    const index = this.#lowerBound(record.position);
    if (index < this.#held.length || this.#isComplete) this.#held.splice(index, 0, record);
  }

  #trim(): void {
    const { offset, limit } = this.#query;
    const reserve = reserveOf(this.#query);
    if (this.#held.length <= offset + limit + 2 * reserve) return;
    this.#held.length = offset + limit + reserve;
    this.#isComplete = false;
  }

  /** Index of the first record at the position or behind it. */
  #lowerBound(position: Position): number {
    let low = 0;
    let high = this.#held.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#query.compare((this.#held[middle] as Held).position, position) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
