import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Awaitable } from '../../store/store.ts';
import type { ChangeView } from '../change-view.ts';
import type { RelatedEffects } from '../dependencies/affected.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import { RelatedHistory } from '../dependencies/related-history.ts';
import type { Frame } from '../encode.ts';
import { type PastStore, recordChanges } from '../past/past-states.ts';
import type { Selection } from '../selection.ts';
import { type OpenedState, SharedState, type StateTracker } from '../shared-state.ts';
import type { Held, HeldRecords, WindowQuery } from './held-records.ts';
import { readPastList } from './past-records.ts';
import { relatedWindowFrames, type WindowChange } from './related-window-frames.ts';

/** Window of live subscriptions that look at other tables: a change may concern any number of its records. */
export class RelatedWindow extends SharedState<WindowChange> {
  readonly lostReason = 'window_changed';
  readonly #query: WindowQuery;
  readonly #from: PastStore;

  constructor(query: WindowQuery, from: PastStore) {
    super();
    this.#query = query;
    this.#from = from;
  }

  async open(at: number | undefined): Promise<OpenedState<WindowChange> | undefined> {
    const position = at ?? (await this.#from.store.currentSeq());
    try {
      const { held, window } = await readPastList(this.#from, this.#query, position);
      const records = window.map(({ id, json, seq = position }) => ({ id, json, seq }));
      const own = new RelatedWindowTracker(this.#from, this.#query, { held, position });
      const { store, relatedLimits } = this.#from;
      return { own, position, records, history: new RelatedHistory(store, position, relatedLimits) };
    } catch (error) {
      if (error instanceof WindowLostError) return undefined;
      throw error;
    }
  }

  frames(
    selection: Selection,
    view: ChangeView,
    step: WindowChange,
    effects?: RelatedEffects,
  ): Awaitable<readonly Frame[]> {
    if (effects === undefined) return [];
    return effects.history.run(() => relatedWindowFrames(selection, view, step, effects));
  }
}

/** Window as it is at a position of the log. It is given every change after that which may concern it, in order. */
class RelatedWindowTracker implements StateTracker<WindowChange> {
  readonly #from: PastStore;
  readonly #query: WindowQuery;
  #held: HeldRecords;
  #position: number;
  /** Records of the window, in order. */
  #window: readonly Held[];
  #isLost = false;

  constructor(from: PastStore, query: WindowQuery, start: { readonly held: HeldRecords; readonly position: number }) {
    this.#from = from;
    this.#query = query;
    this.#held = start.held;
    this.#window = start.held.window;
    this.#position = start.position;
  }

  get position(): number {
    return this.#position;
  }

  /** Applies a change. Rejects with WindowLostError where the window after it cannot be known. */
  async advance(view: ChangeView, effects: RelatedEffects): Promise<WindowChange> {
    const before = this.#window;
    const { seq, op } = view.change;
    if (this.#isLost) throw new WindowLostError();
    if (seq <= this.#position || op === 'publish') return { before, after: before };
    this.#position = seq;
    try {
      await this.#move(view, effects);
    } catch (error) {
      this.#isLost = true;
      throw error instanceof WindowLostError ? new WindowLostError() : error;
    }
    return { before, after: this.#window };
  }

  async #move(view: ChangeView, effects: RelatedEffects): Promise<void> {
    const changes = await recordChanges(this.#from, this.#query, { view, effects });
    const { positionOf } = this.#query;
    for (const { id, before, after } of changes) {
      // A related record moves nothing, as long as both are in the list.
      if (before === after) continue;
      const [from, to] = [before, after].map((one) => one && { id, position: positionOf(one) });
      this.#held.move(from, to);
    }
    if (changes.every(({ before, after }) => before === after)) return;
    if (this.#held.isShort) {
      const { held } = await thenOrNow(readPastList(this.#from, this.#query, view.change.seq), (list) => list);
      this.#held = held;
    }
    this.#window = this.#held.window;
  }
}
