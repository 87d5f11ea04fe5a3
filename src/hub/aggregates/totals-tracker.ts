import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Awaitable, StoredRecord } from '../../store/store.ts';
import type { ChangeView } from '../change-view.ts';
import type { RelatedEffects } from '../dependencies/affected.ts';
import type { Frame } from '../encode.ts';
import { type PastStore, type RecordChange, recordChanges } from '../past/past-states.ts';
import type { StateTracker } from '../shared-state.ts';
import type { TotalsQuery } from './group-state.ts';
import type { HeldGroups } from './held-groups.ts';
import { ResultRows } from './result-rows.ts';
import type { TotalsState } from './totals-state.ts';

const NOTHING: readonly Frame[] = [];

/** Store of totals. `heldGroups`: absent where nothing bounds their groups. */
export interface TrackedStore extends PastStore {
  readonly heldGroups?: HeldGroups;
}

/** Totals as they are at a position of the log. */
export class TotalsTracker implements StateTracker<readonly Frame[]> {
  readonly #from: TrackedStore;
  readonly #query: TotalsQuery;
  readonly #state: TotalsState;
  readonly #rows: ResultRows;
  #position: number;
  /** Groups of it that are counted in `heldGroups`. */
  held = 0;
  /** Change that is still being worked on, where the store does not answer at once. */
  #pending: Promise<unknown> | undefined;

  constructor(
    from: TrackedStore,
    query: TotalsQuery,
    start: { readonly state: TotalsState; readonly position: number },
  ) {
    this.#from = from;
    this.#query = query;
    this.#state = start.state;
    this.#rows = new ResultRows(query, start.state.groups);
    this.#position = start.position;
  }

  get position(): number {
    return this.#position;
  }

  /** Number of groups. */
  get size(): number {
    return this.#state.size;
  }

  /** False while a change is worked on: then the state is not that of the position. */
  get isSettled(): boolean {
    return this.#pending === undefined;
  }

  /** Copy of the state at the position. */
  copyState(): TotalsState {
    return this.#state.copy();
  }

  /** Results that clients have, in order. */
  records(position: number): readonly StoredRecord[] {
    return this.#rows.window.map(({ id, json }) => ({ id, json, seq: position }));
  }

  /** Number of records of all groups. */
  get total(): number {
    let total = 0;
    for (const { totals } of this.#state.groups) total += totals.count;
    return total;
  }

  /** Applies a change; returns its frames. */
  advance(view: ChangeView, effects?: RelatedEffects): Awaitable<readonly Frame[]> {
    const { seq, op } = view.change;
    if (seq <= this.#position) return NOTHING;
    this.#position = seq;
    if (op === 'publish') return NOTHING;
    const apply = () =>
      thenOrNow(recordChanges(this.#from, this.#query, { view, effects }), (changes) => this.#apply(changes, seq));
    if (this.#pending !== undefined) return this.#wait(this.#pending.then(apply));
    try {
      const frames = apply();
      return frames instanceof Promise ? this.#wait(frames) : frames;
    } catch (error) {
      return this.#wait(Promise.reject(error));
    }
  }

  #apply(changes: readonly RecordChange[], seq: number): Awaitable<readonly Frame[]> {
    const sizeBefore = this.size;
    const groups = changes.length === 0 ? [] : this.#state.apply(changes);
    if (this.size > sizeBefore) this.#from.heldGroups?.check(this.size - this.held);
    if (groups.length === 0) return NOTHING;
    return thenOrNow(this.#state.settle(this.#from, groups, seq), () =>
      groups.flatMap((group) => this.#rows.update(group, seq)),
    );
  }

  #wait<T>(frames: Promise<T>): Promise<T> {
    const pending: Promise<unknown> = frames.then(() => {
      if (this.#pending === pending) this.#pending = undefined;
    });
    // The caller handles the failure.
    pending.catch(() => {});
    this.#pending = pending;
    return frames;
  }
}
