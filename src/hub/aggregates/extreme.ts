import { compareSortValues, type SortValue } from '../../query/index.ts';
import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Awaitable, RecordKey } from '../../store/store.ts';
import type { ChangedRecord } from '../change-view.ts';
import type { PastStore } from '../past/past-states.ts';
import type { HeldRecords, WindowQuery } from '../windows/held-records.ts';
import { readPastList } from '../windows/past-records.ts';

/** Value of a record that a change took out of a group or brought into it; undefined for none. */
export interface ValueChange {
  readonly id: RecordKey;
  readonly before: ChangedRecord | undefined;
  readonly after: ChangedRecord | undefined;
  /** Values of the field in the two: null counts as none. */
  readonly from: SortValue;
  readonly to: SortValue;
}

/**
 * Smallest or greatest value of a field in a group. As long as no record with it leaves, the value alone is enough; then the
 * first records in its order are read and held, so that the next ones that leave cost no read.
 */
export class Extreme {
  value: SortValue;
  /** True when the value has to be read. */
  isStale = false;
  readonly #sign: number;
  #held: HeldRecords | undefined;
  #query: WindowQuery | undefined;

  constructor(end: 'min' | 'max', value: SortValue) {
    this.#sign = end === 'min' ? 1 : -1;
    this.value = value;
  }

  get end(): 'min' | 'max' {
    return this.#sign > 0 ? 'min' : 'max';
  }

  /** Copy for another position; what is held is left out, and read again when it is needed. */
  copy(): Extreme {
    const copy = new Extreme(this.end, this.value);
    copy.isStale = this.isStale;
    return copy;
  }

  /** Applies a change. `count`: number of values of the group after it. */
  change({ id, before, after, from, to }: ValueChange, count: number): void {
    if (count === 0) {
      this.#reset(null);
    } else if (count === 1 && to !== null) {
      this.#reset(to);
    } else if (this.isStale) {
      // The record is read after the change.
    } else if (this.#held !== undefined && this.#query !== undefined) {
      const { positionOf } = this.#query;
      this.#held.move(
        before === undefined || from === null ? undefined : { id, position: positionOf(before) },
        after === undefined || to === null ? undefined : { id, position: positionOf(after) },
      );
      if (this.#held.isShort) this.isStale = true;
      else this.value = firstOf(this.#held);
    } else if (to !== null && (this.value === null || this.#order(to, this.value) <= 0)) {
      this.value = to;
    } else if (from !== null && this.value !== null && this.#order(from, this.value) === 0) {
      this.isStale = true;
    }
  }

  /** Reads the value as it was at a position. Rejects, or throws, WindowLostError. */
  read(from: PastStore, query: () => WindowQuery, at: number): Awaitable<void> {
    this.#query ??= query();
    return thenOrNow(readPastList(from, this.#query, at), ({ held }) => {
      this.#held = held;
      this.value = firstOf(held);
      this.isStale = false;
    });
  }

  #reset(value: SortValue): void {
    this.value = value;
    this.isStale = false;
    this.#held = undefined;
  }

  #order(one: SortValue, other: SortValue): number {
    return this.#sign * compareSortValues(one, other);
  }
}

function firstOf(held: HeldRecords): SortValue {
  return held.ends.first?.position[0] ?? null;
}
