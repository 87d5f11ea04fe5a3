import type { Awaitable } from '../../store/store.ts';
import type { ChangeView } from '../change-view.ts';
import type { WindowQuery } from './held-records.ts';
import type { WindowStore } from './past-records.ts';
import type { WindowStep, WindowTracker } from './window-tracker.ts';

/**
 * Window of the live subscriptions of a channel, however they are encoded and whatever fields they select. It is tracked
 * while at least one of them is live.
 */
export class SharedWindow {
  readonly query: WindowQuery;
  readonly from: WindowStore;
  /** Number of groups of the channel that have this window. */
  groups = 0;
  #tracker: WindowTracker | undefined;
  /** Position at which tracking began. */
  #since = 0;
  #live = 0;
  #last: { readonly view: ChangeView; readonly step: Awaitable<WindowStep | undefined> } | undefined;

  constructor(query: WindowQuery, from: WindowStore) {
    this.query = query;
    this.from = from;
  }

  get isTracked(): boolean {
    return this.#tracker !== undefined;
  }

  /** True when a subscription at this position can go on with the live ones. */
  reaches(position: number): boolean {
    return this.#tracker === undefined || position >= this.#since;
  }

  /** Adds a live subscription; the first one brings the window as it is at its position. */
  join(own: WindowTracker | undefined): void {
    this.#live++;
    if (this.#tracker !== undefined) return;
    if (own === undefined) throw new Error('The first subscription of a window has to bring it.');
    this.#tracker = own;
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

  /** Applies a change once for all groups. */
  advance(view: ChangeView): Awaitable<WindowStep | undefined> {
    if (this.#last?.view !== view) this.#last = { view, step: this.#tracker?.advance(view) };
    return this.#last.step;
  }
}

/** Windows of a channel by their key. */
export class SharedWindows {
  readonly #from: WindowStore;
  readonly #windows = new Map<string, SharedWindow>();

  constructor(from: WindowStore) {
    this.#from = from;
  }

  /** Returns the window of a query for one more group. */
  open(query: WindowQuery): SharedWindow {
    let window = this.#windows.get(query.key);
    if (window === undefined) {
      window = new SharedWindow(query, this.#from);
      this.#windows.set(query.key, window);
    }
    window.groups++;
    return window;
  }

  /** Gives a window back that a group had. */
  release(window: SharedWindow): void {
    window.groups--;
    if (window.groups === 0) this.#windows.delete(window.query.key);
  }
}
