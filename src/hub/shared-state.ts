import type { Awaitable, StoredRecord } from '../store/store.ts';
import type { ChangeView } from './change-view.ts';
import type { RelatedEffects } from './dependencies/affected.ts';
import type { RelatedHistory } from './dependencies/related-history.ts';
import type { Frame, ResetReason } from './encode.ts';
import type { Selection } from './selection.ts';

/** State as it is at a position of the log. It is given every change after that, in order. */
export interface StateTracker<Step = unknown> {
  /** seq of the last change that it was given, or at which it began. */
  readonly position: number;
  /**
   * Applies a change; `effects` for a state that looks at other tables. Rejects where its effect cannot be known, and from
   * then on for every change.
   */
  advance(view: ChangeView, effects?: RelatedEffects): Awaitable<Step>;
}

/** State as it was at a position. */
export interface OpenedState<Step = unknown> {
  /** For one subscription that goes on from there by itself; undefined where it can go on with the live ones. */
  readonly own: StateTracker<Step> | undefined;
  readonly position: number;
  /** Entries that a client has of the state, in order. */
  readonly records: readonly StoredRecord[];
  /** Records of other tables as they were at the position, where they may be shown. */
  readonly history?: RelatedHistory;
}

/**
 * State that live subscriptions of a channel follow together, however they are encoded: a window, or totals. It is tracked
 * while at least one of them is live.
 */
export abstract class SharedState<Step = unknown> {
  /** Number of groups of the channel that have this state. */
  groups = 0;
  #tracker: StateTracker<Step> | undefined;
  /** Position at which tracking began. */
  #since = 0;
  #live = 0;
  #last: { readonly view: ChangeView; readonly step: Awaitable<Step> } | undefined;

  /** Reason for which a client gets the state again when it cannot be followed from its position. */
  abstract readonly lostReason: ResetReason;

  /** Returns the state as it was at a position, or without one as it is; undefined where too much has changed since. */
  abstract open(position: number | undefined): Promise<OpenedState<Step> | undefined>;

  /** Makes the frames of a change for a subscription from its effect on the state. */
  abstract frames(
    selection: Selection,
    view: ChangeView,
    step: Step,
    effects?: RelatedEffects,
  ): Awaitable<readonly Frame[]>;

  /** Tracker of the live subscriptions: another one once they have begun anew. */
  get tracker(): StateTracker<Step> | undefined {
    return this.#tracker;
  }

  get isTracked(): boolean {
    return this.#tracker !== undefined;
  }

  /** True when a subscription at this position can go on with the live ones. */
  reaches(position: number): boolean {
    return this.#tracker === undefined || position >= this.#since;
  }

  /** Adds a live subscription; the first one brings the state as it is at its position. */
  join(own: StateTracker | undefined): void {
    this.#live++;
    if (this.#tracker !== undefined) return;
    if (own === undefined) throw new Error('The first subscription of a shared state has to bring it.');
    this.#tracker = own as StateTracker<Step>;
    this.#since = own.position;
  }

  /** Removes a live subscription. Without one, nothing is tracked. */
  leave(): void {
    this.#live--;
    if (this.#live === 0) this.drop();
  }

  /** Stops tracking: changes were missed, or could not be applied. */
  drop(): void {
    this.#tracker = undefined;
    this.#last = undefined;
  }

  /** Applies a change once for all groups; undefined when nothing is tracked. */
  advance(view: ChangeView, effects?: RelatedEffects): Awaitable<Step> | undefined {
    if (this.#tracker === undefined) return undefined;
    if (this.#last?.view !== view) this.#last = { view, step: this.#tracker.advance(view, effects) };
    return this.#last.step;
  }
}

/** Shared states of a channel by their key. */
export class SharedStates {
  readonly #states = new Map<string, SharedState>();

  /** Returns the state with a key for one more group. */
  open<T extends SharedState>(key: string, make: () => T): T {
    let state = this.#states.get(key) as T | undefined;
    if (state === undefined) {
      state = make();
      this.#states.set(key, state);
    }
    state.groups++;
    return state;
  }

  /** Gives a state back that a group had. */
  release(state: SharedState): void {
    state.groups--;
    if (state.groups > 0) return;
    for (const [key, other] of this.#states) if (other === state) this.#states.delete(key);
  }
}
