import type { Awaitable } from '../../store/store.ts';
import type { ChangeView } from '../change-view.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import type { Frame } from '../encode.ts';
import type { PastStore } from '../past/past-states.ts';
import type { Selection } from '../selection.ts';
import { type OpenedState, SharedState } from '../shared-state.ts';
import type { WindowQuery } from './held-records.ts';
import { readPastList } from './past-records.ts';
import { windowFrames } from './window-frames.ts';
import { type WindowStep, WindowTracker } from './window-tracker.ts';

/** Window of the live subscriptions of a channel, whatever fields they select. */
export class SharedWindow extends SharedState<WindowStep | undefined> {
  readonly lostReason = 'window_changed';
  readonly #query: WindowQuery;
  readonly #from: PastStore;

  constructor(query: WindowQuery, from: PastStore) {
    super();
    this.#query = query;
    this.#from = from;
  }

  async open(at: number | undefined): Promise<OpenedState<WindowStep | undefined> | undefined> {
    const position = at ?? (await this.#from.store.currentSeq());
    try {
      const { held, window } = await readPastList(this.#from, this.#query, position);
      // The seq is that of a later change where the record has changed since, and then not known.
      const records = window.map(({ id, json, seq = position }) => ({ id, json, seq }));
      return { own: new WindowTracker(this.#from, this.#query, { held, position }), position, records };
    } catch (error) {
      if (error instanceof WindowLostError) return undefined;
      throw error;
    }
  }

  frames(selection: Selection, view: ChangeView, step: WindowStep | undefined): Awaitable<readonly Frame[]> {
    return windowFrames(selection, view, step);
  }
}
