import type { TablePlan } from '../schema/plan.ts';
import type { Change, RecordKey } from '../store/store.ts';
import { viewOf } from './change-view.ts';
import type { Encoding } from './encode.ts';
import type { Selection } from './selection.ts';
import { type GroupHost, ShapeGroup } from './shape-group.ts';

/** Groups by the value that their selection asks of one field. */
type Places = Map<unknown, Set<ShapeGroup>>;

/** All subscriptions to one table or one record, in groups that share their bytes. */
export class Channel {
  readonly table: TablePlan;
  /** The record, or undefined for the channel of the table. */
  readonly id: RecordKey | undefined;
  readonly #groups = new Map<string, ShapeGroup>();
  /** Groups that look at every change. */
  readonly #all = new Set<ShapeGroup>();
  /** Groups that a change concerns only when its record has or had their value: found, not asked one by one. */
  readonly #placed = new Map<string, Places>();

  constructor(table: TablePlan, id: RecordKey | undefined) {
    this.table = table;
    this.id = id;
  }

  get size(): number {
    return this.#groups.size;
  }

  groups(): Iterable<ShapeGroup> {
    return this.#groups.values();
  }

  /** Subscriptions of all groups. */
  get audience(): number {
    let sum = 0;
    for (const { live, lagging: behind } of this.#groups.values()) sum += live.length + behind;
    return sum;
  }

  group(encoding: Encoding, selection: Selection, head: number): ShapeGroup {
    const key = keyOf(encoding, selection);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new ShapeGroup(encoding, selection, head);
      this.#groups.set(key, group);
      this.#placesOf(selection).add(group);
    }
    return group;
  }

  /** Takes a committed change. */
  append(change: Change, host: GroupHost): void {
    for (const group of this.#all) group.append(change, host);
    if (this.#placed.size === 0) return;
    const { after, before } = viewOf(change);
    for (const [field, places] of this.#placed) {
      const value = after?.[field];
      const old = before?.[field];
      appendAll(places.get(value), change, host);
      if (old !== value) appendAll(places.get(old), change, host);
    }
  }

  removeIfEmpty(group: ShapeGroup): void {
    if (group.live.length + group.lagging > 0) return;
    const { encoding, selection } = group;
    const key = keyOf(encoding, selection);
    if (this.#groups.get(key) !== group) return;
    this.#groups.delete(key);
    this.#placesOf(selection).delete(group);
    this.#clean(selection);
  }

  #placesOf({ equal }: Selection): Set<ShapeGroup> {
    if (equal === undefined) return this.#all;
    let places = this.#placed.get(equal.field);
    if (places === undefined) {
      places = new Map();
      this.#placed.set(equal.field, places);
    }
    let groups = places.get(equal.value);
    if (groups === undefined) {
      groups = new Set();
      places.set(equal.value, groups);
    }
    return groups;
  }

  #clean({ equal }: Selection): void {
    if (equal === undefined) return;
    const places = this.#placed.get(equal.field);
    if (places?.get(equal.value)?.size === 0) places.delete(equal.value);
    if (places?.size === 0) this.#placed.delete(equal.field);
  }
}

function keyOf(encoding: Encoding, selection: Selection): string {
  return `${encoding.key}\n${selection.key}`;
}

function appendAll(groups: ReadonlySet<ShapeGroup> | undefined, change: Change, host: GroupHost): void {
  if (groups !== undefined) for (const group of groups) group.append(change, host);
}
