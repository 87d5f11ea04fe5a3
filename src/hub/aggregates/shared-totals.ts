import { AppError } from '../../errors.ts';
import { resultOf } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Aggregate, Awaitable } from '../../store/store.ts';
import type { ChangeView } from '../change-view.ts';
import type { RelatedEffects } from '../dependencies/affected.ts';
import { tablesOf } from '../dependencies/dependent-log.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import type { Frame } from '../encode.ts';
import { statesBetween } from '../past/past-states.ts';
import type { Selection } from '../selection.ts';
import { type OpenedState, SharedState, type StateTracker } from '../shared-state.ts';
import type { TotalsQuery } from './group-state.ts';
import { groupId, stateOf, type TotalsState } from './totals-state.ts';
import { TotalsTracker, type TrackedStore } from './totals-tracker.ts';

/** Changes that are undone to find out how totals were: with more, the subscribers get all results again. */
const MAX_UNDONE_CHANGES = 5000;

/** Store of totals, and the position up to which changes were delivered. */
export interface TotalsStore extends TrackedStore {
  readonly delivered: () => number;
}

/** State at a position. */
interface TotalsAt {
  readonly state: TotalsState;
  readonly position: number;
}

/** Totals of the live subscriptions of a channel that ask for the same ones with the same rights. */
export class SharedTotals extends SharedState<readonly Frame[]> {
  readonly lostReason = 'totals_changed';
  readonly #query: TotalsQuery;
  readonly #from: TotalsStore;
  /** Groups that are counted in `heldGroups`. */
  #held = 0;
  /** Totals that were read last, for others that begin before the table changes. */
  #read: { readonly totals: Promise<Aggregate>; readonly at: number } | undefined;

  constructor(query: TotalsQuery, from: TotalsStore) {
    super();
    this.#query = query;
    this.#from = from;
  }

  override join(own: StateTracker | undefined): void {
    super.join(own);
    this.#read = undefined;
    this.#hold();
  }

  override drop(): void {
    super.drop();
    this.#hold();
  }

  override advance(view: ChangeView, effects?: RelatedEffects): Awaitable<readonly Frame[]> | undefined {
    const frames = super.advance(view, effects);
    if (!(frames instanceof Promise)) {
      this.#hold();
      return frames;
    }
    return frames.finally(() => this.#hold());
  }

  /** Counts the groups of the tracker among those of all totals. */
  #hold(): void {
    const { tracker } = this;
    const size = tracker instanceof TotalsTracker ? tracker.size : 0;
    if (tracker instanceof TotalsTracker) tracker.held = size;
    this.#from.heldGroups?.add(size - this.#held);
    this.#held = size;
  }

  async open(position: number | undefined): Promise<OpenedState<readonly Frame[]> | undefined> {
    const { store } = this.#from;
    const live = this.#tracker;
    if (position === undefined && live !== undefined) {
      const delivered = Math.max(live.position, this.#from.delivered());
      return { own: undefined, position: delivered, records: live.records(delivered) };
    }
    const found = this.#tracked(position) ?? (await this.#stored());
    const at = position ?? found.position;
    const isSettled = found.position <= at || (await this.#rewind(found, at));
    if (!isSettled || this.#tables.some((one) => at < store.resumeFloor(one))) return undefined;
    const own = new TotalsTracker(this.#from, this.#query, {
      state: found.state,
      position: Math.min(at, found.position),
    });
    if (!this.isTracked) this.#from.heldGroups?.check(own.size);
    return { own, position: own.position, records: own.records(own.position) };
  }

  /** Counts the records as they were at a position; undefined where too much has changed since. */
  async openTotal(position: number): Promise<TotalsTracker | undefined> {
    const opened = await this.open(position);
    return opened?.own instanceof TotalsTracker ? opened.own : undefined;
  }

  /** Applies a change; returns the number of records when it has changed. */
  advanceTotal(view: ChangeView): number | undefined {
    const frames = this.advance(view);
    const { tracker } = this;
    if (frames === undefined || frames instanceof Promise || frames.length === 0) return undefined;
    return tracker instanceof TotalsTracker ? tracker.total : undefined;
  }

  /** The same for subscriptions that look at other tables. */
  async advanceRelatedTotal(view: ChangeView, effects: RelatedEffects): Promise<number | undefined> {
    const { tracker } = this;
    const frames = await this.advance(view, effects);
    if (frames === undefined || frames.length === 0) return undefined;
    return tracker instanceof TotalsTracker ? tracker.total : undefined;
  }

  frames(_selection: Selection, _view: ChangeView, frames: readonly Frame[]): readonly Frame[] {
    return frames;
  }

  /** Tables whose changes concern the totals. */
  get #tables(): readonly TablePlan[] {
    const { dependent } = this.#query;
    return dependent === undefined ? [this.#from.table] : tablesOf(dependent);
  }

  /** Tracker of the live subscriptions, unless it waits for the store. */
  get #tracker(): TotalsTracker | undefined {
    const { tracker } = this;
    return tracker instanceof TotalsTracker && tracker.isSettled ? tracker : undefined;
  }

  /** State of the live subscriptions, where it is of the position or later; at the position up to which all was delivered. */
  #tracked(position: number | undefined): TotalsAt | undefined {
    const tracker = this.#tracker;
    const delivered = Math.max(tracker?.position ?? 0, this.#from.delivered());
    if (tracker === undefined || (position !== undefined && position > delivered)) return undefined;
    return { state: tracker.copyState(), position: delivered };
  }

  async #stored(): Promise<TotalsAt> {
    const { store, table } = this.#from;
    const at = Math.max(...this.#tables.map((one) => store.lastTableSeq(one)));
    if (this.#read?.at !== at) {
      const totals = Promise.resolve(store.aggregate(table, this.#query.list));
      const read = { totals, at };
      this.#read = read;
      totals.catch(() => {
        if (this.#read === read) this.#read = undefined;
      });
    }
    const { groups, seq } = await this.#read.totals;
    const { aggregate } = this.#query;
    const state = stateOf(this.#query, groups, (group) => groupId(this.#query, resultOf(aggregate, group)));
    return { state: state.copy(), position: seq };
  }

  /** Undoes the changes after a position. False where there are too many of them. */
  async #rewind({ state, position }: TotalsAt, to: number): Promise<boolean> {
    const { store } = this.#from;
    await store.currentSeq();
    if (this.#tables.every((one) => store.lastTableSeq(one) <= to)) return true;
    const span = { from: to, to: position, maxChanges: MAX_UNDONE_CHANGES };
    try {
      const states = await statesBetween(this.#from, this.#query, span);
      const undone = [...states].map(([id, { before, after }]) => ({ id, before: after, after: before }));
      const touched = state.apply(undone);
      const present = new Set(state.groups);
      await state.settle(
        this.#from,
        touched.filter((group) => present.has(group)),
        to,
      );
      return true;
    } catch (error) {
      if (error instanceof WindowLostError) return false;
      if (error instanceof AppError && error.code === 'TOO_MANY_GROUPS') return false;
      throw error;
    }
  }
}

/** Applies a change to totals that count records; returns their number when it has changed. */
export function advanceTotal(tracker: TotalsTracker, view: ChangeView): number | undefined {
  const frames = tracker.advance(view);
  // A count needs nothing of the store.
  return frames instanceof Promise || frames.length === 0 ? undefined : tracker.total;
}
