import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Awaitable } from '../../store/store.ts';
import type { ChangedRecord, ChangeView } from '../change-view.ts';
import type { PastStore } from '../past/past-states.ts';
import type { StateTracker } from '../shared-state.ts';
import type { Held, HeldRecords, WindowEnds, WindowQuery } from './held-records.ts';
import { type PastRecord, readPastList, readPastRecord } from './past-records.ts';

/** Record of the window that did not change itself, and came in because another one left. */
export interface Entering extends PastRecord {
  readonly at: number;
}

/** Effect of one change on a window: at most one record leaves, and at most one comes in, besides the one that changed. */
export interface WindowStep {
  /** Index of the changed record in the window before; undefined when it was outside. */
  readonly from: number | undefined;
  /** Its index after the change. */
  readonly to: number | undefined;
  readonly leaving: Held | undefined;
  readonly entering: Entering | undefined;
}

/** Window as it is at a position of the log. It is given every change after that, in order. */
export class WindowTracker implements StateTracker<WindowStep | undefined> {
  readonly #from: PastStore;
  readonly #query: WindowQuery;
  #held: HeldRecords;
  #position: number;
  /** Change that is still being worked on, where the store does not answer at once. */
  #pending: Promise<unknown> | undefined;

  constructor(from: PastStore, query: WindowQuery, start: { readonly held: HeldRecords; readonly position: number }) {
    this.#from = from;
    this.#query = query;
    this.#held = start.held;
    this.#position = start.position;
  }

  /** seq of the last change that it was given, or at which it began. */
  get position(): number {
    return this.#position;
  }

  /**
   * Applies a change. Undefined when the window stays as it is. Rejects with WindowLostError where it cannot be known, and
   * from then on for every change.
   */
  advance(view: ChangeView): Awaitable<WindowStep | undefined> {
    const { seq, op } = view.change;
    if (op === 'publish' || seq <= this.#position) return undefined;
    this.#position = seq;
    const before = this.#place(view.before, view);
    const after = this.#place(view.after, view);
    if (before === undefined && after === undefined) return undefined;
    if (this.#pending !== undefined) return this.#wait(this.#pending.then(() => this.#apply(before, after, seq)));
    try {
      const step = this.#apply(before, after, seq);
      return step instanceof Promise ? this.#wait(step) : step;
    } catch (error) {
      return this.#wait(Promise.reject(error));
    }
  }

  #wait<T>(step: Promise<T>): Promise<T> {
    const pending: Promise<unknown> = step.then(() => {
      if (this.#pending === pending) this.#pending = undefined;
    });
    // The caller handles the failure of the step.
    pending.catch(() => {});
    this.#pending = pending;
    return step;
  }

  #place(record: ChangedRecord | undefined, { change }: ChangeView): Held | undefined {
    if (record === undefined || change.id === null || !this.#query.has(record)) return undefined;
    return { id: change.id, position: this.#query.positionOf(record) };
  }

  #apply(before: Held | undefined, after: Held | undefined, seq: number): Awaitable<WindowStep | undefined> {
    const ends = this.#held.ends;
    const from = before && this.#held.indexOf(before);
    this.#held.move(before, after);
    const finish = () => this.#finish({ ends, from, to: after && this.#held.indexOf(after) }, seq);
    if (!this.#held.isShort) return finish();
    return thenOrNow(readPastList(this.#from, this.#query, seq), ({ held }) => {
      this.#held = held;
      return finish();
    });
  }

  #finish(
    { ends, from, to }: { readonly ends: WindowEnds } & Pick<WindowStep, 'from' | 'to'>,
    seq: number,
  ): Awaitable<WindowStep | undefined> {
    const now = this.#held.ends;
    const leaving = from === undefined ? this.#missing(ends, now) : undefined;
    const arriving = to === undefined ? this.#missing(now, ends) : undefined;
    if (from === undefined && to === undefined && leaving === undefined && arriving === undefined) return undefined;
    if (arriving === undefined) return { from, to, leaving, entering: undefined };
    const at = arriving === now.first ? 0 : now.size - 1;
    return thenOrNow(readPastRecord(this.#from, arriving.id, seq), (record) => {
      const entering = { id: record.id, json: record.json, seq: record.seq, at };
      return { from, to, leaving, entering };
    });
  }

  /** Returns the record at an end of one window that is outside of the other. */
  #missing(of: WindowEnds, other: WindowEnds): Held | undefined {
    const { compare } = this.#query;
    if (of.first === undefined || of.last === undefined) return undefined;
    if (other.first === undefined || other.last === undefined) return of.first;
    if (compare(of.first.position, other.first.position) < 0) return of.first;
    return compare(of.last.position, other.last.position) > 0 ? of.last : undefined;
  }
}
