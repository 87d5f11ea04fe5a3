import type { TablePlan } from '../schema/plan.ts';
import type { RecordKey } from '../store/store.ts';
import type { TotalsQuery } from './aggregates/group-state.ts';
import { SharedTotals, type TotalsStore } from './aggregates/shared-totals.ts';
import type { ChangeView } from './change-view.ts';
import type { Encoding } from './encode.ts';
import type { Selection } from './selection.ts';
import { type GroupHost, type GroupStates, ShapeGroup } from './shape-group.ts';
import { type SharedState, SharedStates } from './shared-state.ts';
import type { WindowQuery } from './windows/held-records.ts';
import { RelatedWindow } from './windows/related-window.ts';
import { SharedWindow } from './windows/shared-window.ts';

/** Groups by the value of one field that their selection requires. */
type GroupsByValue = Map<unknown, Set<ShapeGroup>>;

/** Store of the states that subscriptions follow. */
export interface StateStore extends TotalsStore {
  /** Position up to which groups that look at other tables have everything. */
  readonly settled: () => number;
}

/** Subscriptions to one table or one record, in groups that share their bytes. */
export class Channel {
  readonly table: TablePlan;
  /** Key of the record; undefined for the channel of the table. */
  readonly id: RecordKey | undefined;
  readonly #groups = new Map<string, ShapeGroup>();
  /** Groups that look at every change. */
  readonly #unindexed = new Set<ShapeGroup>();
  /** Groups that look at other tables, which get their changes elsewhere. */
  readonly #dependent = new Set<ShapeGroup>();
  /** Groups, by field, that a change concerns only when its record has or had their value: looked up, not tried one by one. */
  readonly #indexed = new Map<string, GroupsByValue>();
  readonly #states = new SharedStates();
  readonly #from: StateStore | undefined;

  /** `from`: store of windows and totals; the channel of a record has none. */
  constructor(table: TablePlan, id: RecordKey | undefined, from?: StateStore) {
    this.table = table;
    this.id = id;
    this.#from = from;
  }

  get size(): number {
    return this.#groups.size;
  }

  groups(): Iterable<ShapeGroup> {
    return this.#groups.values();
  }

  /** Number of subscriptions that receive messages. */
  get audience(): number {
    let sum = 0;
    for (const { live, lagging, selection } of this.#groups.values())
      if (selection.totals === undefined) sum += live.length + lagging;
    return sum;
  }

  group(encoding: Encoding, selection: Selection, lastSeq: number): ShapeGroup {
    const key = groupKey(encoding, selection);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new ShapeGroup(encoding, selection, lastSeq, this.#statesOf(selection));
      this.#groups.set(key, group);
      this.#groupsLike(selection).add(group);
    }
    return group;
  }

  /** Passes a committed change to the groups that it may concern. */
  append(view: ChangeView, host: GroupHost): void {
    for (const group of this.#unindexed) group.append(view, host);
    if (this.#indexed.size === 0) return;
    const { after, before } = view;
    for (const [field, groups] of this.#indexed) {
      const value = after?.[field];
      const old = before?.[field];
      appendAll(groups.get(value), view, host);
      if (old !== value) appendAll(groups.get(old), view, host);
    }
  }

  removeIfEmpty(group: ShapeGroup): void {
    if (group.live.length + group.lagging > 0) return;
    const { encoding, selection } = group;
    const key = groupKey(encoding, selection);
    if (this.#groups.get(key) !== group) return;
    this.#groups.delete(key);
    for (const state of group.states) this.#states.release(state);
    this.#groupsLike(selection).delete(group);
    this.#removeIndexIfEmpty(selection);
  }

  #statesOf({ window, totals, counted, dependent }: Selection): GroupStates {
    if (this.#from === undefined) return {};
    // States that look at other tables get their changes later: neither can go on with the state of the others.
    const isRelated = dependent !== undefined;
    const from = isRelated ? { ...this.#from, delivered: this.#from.settled } : this.#from;
    const open = <T extends SharedState>(key: string, make: () => T) =>
      this.#states.open(`${isRelated ? 'related ' : ''}${key}`, make);
    const total = (query: TotalsQuery) => open(`totals ${query.key}`, () => new SharedTotals(query, from));
    const follow = (query: WindowQuery) =>
      open<SharedState>(`window ${query.key}`, () => new (isRelated ? RelatedWindow : SharedWindow)(query, from));
    const followed = window === undefined ? totals && total(totals) : follow(window);
    return { followed, counted: counted && total(counted) };
  }

  #groupsLike({ equal, dependent }: Selection): Set<ShapeGroup> {
    if (dependent !== undefined) return this.#dependent;
    if (equal === undefined) return this.#unindexed;
    let byValue = this.#indexed.get(equal.field);
    if (byValue === undefined) {
      byValue = new Map();
      this.#indexed.set(equal.field, byValue);
    }
    let groups = byValue.get(equal.value);
    if (groups === undefined) {
      groups = new Set();
      byValue.set(equal.value, groups);
    }
    return groups;
  }

  #removeIndexIfEmpty({ equal, dependent }: Selection): void {
    if (equal === undefined || dependent !== undefined) return;
    const byValue = this.#indexed.get(equal.field);
    if (byValue?.get(equal.value)?.size === 0) byValue.delete(equal.value);
    if (byValue?.size === 0) this.#indexed.delete(equal.field);
  }
}

function groupKey(encoding: Encoding, selection: Selection): string {
  return `${encoding.key}\n${selection.key}`;
}

function appendAll(groups: ReadonlySet<ShapeGroup> | undefined, view: ChangeView, host: GroupHost): void {
  if (groups !== undefined) for (const group of groups) group.append(view, host);
}
