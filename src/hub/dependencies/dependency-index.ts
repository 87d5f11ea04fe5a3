import type { FieldPlan, RelationPlan, TablePlan } from '../../schema/plan.ts';
import type { ChangedRecord, ChangeView } from '../change-view.ts';
import type { Channel } from '../channel.ts';
import type { ShapeGroup } from '../shape-group.ts';
import { type Dependency, type DependentPart, isConcerned, lastOf, type Requirement } from './dependency.ts';

/** Group of subscriptions that look at other tables, with its channel. */
export interface DependentGroup {
  readonly group: ShapeGroup;
  readonly part: DependentPart;
  /** Key of the record that the channel is about; undefined for a table. */
  readonly id: Channel['id'];
}

type GroupsByValue = Map<unknown, Set<DependentGroup>>;

/** Groups that records at the end of one path concern. */
export interface PathGroups {
  readonly table: TablePlan;
  readonly path: readonly RelationPlan[];
  /** Groups by the value that a record must have to concern them. */
  readonly byValue: Map<FieldPlan, GroupsByValue>;
  /** The other groups of tables, and all those of one record, with what concerns them. */
  readonly others: Map<DependentGroup, Dependency[]>;
}

/** Groups that require one of certain values at the end of a path. */
export interface RequiringGroups {
  readonly path: readonly RelationPlan[];
  readonly field: FieldPlan;
  readonly byValue: GroupsByValue;
}

interface OwnGroups {
  readonly requiring: Map<string, RequiringGroups>;
  readonly others: Set<DependentGroup>;
  readonly ofRecords: Map<unknown, Set<DependentGroup>>;
}

/** Finds the groups that a change concerns: by the values in the changed record instead of asking each group. */
export class DependencyIndex {
  readonly #ends = new Map<TablePlan, Map<string, PathGroups>>();
  readonly #own = new Map<TablePlan, OwnGroups>();
  readonly #groups = new Map<ShapeGroup, DependentGroup>();

  get size(): number {
    return this.#groups.size;
  }

  /** True when changes of the table can concern a group. */
  has(table: TablePlan): boolean {
    return this.#ends.has(table) || this.#own.has(table);
  }

  /** Groups that changes of the table can concern. */
  groupsOn(table: TablePlan): readonly ShapeGroup[] {
    const entries = [...this.#groups.values()];
    return entries.filter(({ part }) => part.table === table || part.tables.includes(table)).map(({ group }) => group);
  }

  add(group: ShapeGroup, channel: Channel): void {
    const part = group.selection.dependent;
    if (part === undefined || this.#groups.has(group)) return;
    const entry = { group, part, id: channel.id };
    this.#groups.set(group, entry);
    this.#addOwn(entry);
    for (const dependency of part.dependencies) this.#addEnd(entry, dependency);
  }

  remove(group: ShapeGroup): void {
    const entry = this.#groups.get(group);
    if (entry === undefined) return;
    this.#groups.delete(group);
    this.#removeOwn(entry);
    for (const dependency of entry.part.dependencies) this.#removeEnd(entry, dependency);
  }

  /** Groups that a change of a record of their own table may concern, besides those that require values. */
  ownGroups(view: ChangeView): { readonly groups: Set<DependentGroup>; readonly requiring: Iterable<RequiringGroups> } {
    const own = this.#own.get(view.change.table);
    if (own === undefined) return { groups: new Set(), requiring: [] };
    return {
      groups: new Set([...own.others, ...(own.ofRecords.get(view.change.id) ?? [])]),
      requiring: own.requiring.values(),
    };
  }

  /** Paths that lead to the changed record, with the groups that it concerns. */
  *endsOf(view: ChangeView): Iterable<{ readonly end: PathGroups; readonly groups: ReadonlySet<DependentGroup> }> {
    for (const end of this.#ends.get(view.change.table)?.values() ?? []) {
      const groups = new Set<DependentGroup>();
      for (const [group, dependencies] of end.others)
        if (dependencies.some((dependency) => isConcerned(dependency, view))) groups.add(group);
      for (const [field, byValue] of end.byValue) {
        for (const record of [view.before, view.after]) addAll(groups, valueIn(byValue, record, field), view);
      }
      if (groups.size > 0) yield { end, groups };
    }
  }

  #addOwn(entry: DependentGroup): void {
    const { part, id } = entry;
    let own = this.#own.get(part.table);
    if (own === undefined) {
      own = { requiring: new Map(), others: new Set(), ofRecords: new Map() };
      this.#own.set(part.table, own);
    }
    if (id !== undefined) addTo(own.ofRecords, id, entry);
    else if (part.requirements === undefined) own.others.add(entry);
    else
      for (const requirement of part.requirements)
        addTo(requiringOf(own, requirement).byValue, requirement.value, entry);
  }

  #removeOwn(entry: DependentGroup): void {
    const { part, id } = entry;
    const own = this.#own.get(part.table);
    if (own === undefined) return;
    if (id !== undefined) removeFrom(own.ofRecords, id, entry);
    own.others.delete(entry);
    for (const requirement of id === undefined ? (part.requirements ?? []) : []) {
      const key = keyOfRequirement(requirement);
      const requiring = own.requiring.get(key);
      if (requiring === undefined) continue;
      removeFrom(requiring.byValue, requirement.value, entry);
      if (requiring.byValue.size === 0) own.requiring.delete(key);
    }
    if (own.requiring.size + own.others.size + own.ofRecords.size === 0) this.#own.delete(part.table);
  }

  #addEnd(entry: DependentGroup, dependency: Dependency): void {
    const { path, equal } = dependency;
    const { target } = lastOf(path);
    const ends = this.#ends.get(target) ?? new Map<string, PathGroups>();
    this.#ends.set(target, ends);
    const key = keyOfPath(entry.part.table, path);
    const end = ends.get(key) ?? { table: entry.part.table, path, byValue: new Map(), others: new Map() };
    ends.set(key, end);
    if (equal === undefined || entry.id !== undefined) {
      end.others.set(entry, [...(end.others.get(entry) ?? []), dependency]);
      return;
    }
    const byValue: GroupsByValue = end.byValue.get(equal.field) ?? new Map();
    end.byValue.set(equal.field, byValue);
    addTo(byValue, equal.value, entry);
  }

  #removeEnd(entry: DependentGroup, { path, equal }: Dependency): void {
    const { target } = lastOf(path);
    const ends = this.#ends.get(target);
    const key = keyOfPath(entry.part.table, path);
    const end = ends?.get(key);
    if (ends === undefined || end === undefined) return;
    end.others.delete(entry);
    const byValue = equal && end.byValue.get(equal.field);
    if (equal !== undefined && byValue !== undefined) {
      removeFrom(byValue, equal.value, entry);
      if (byValue.size === 0) end.byValue.delete(equal.field);
    }
    if (end.others.size + end.byValue.size === 0) ends.delete(key);
    if (ends.size === 0) this.#ends.delete(target);
  }
}

function requiringOf(own: OwnGroups, requirement: Requirement): RequiringGroups {
  const key = keyOfRequirement(requirement);
  let requiring = own.requiring.get(key);
  if (requiring === undefined) {
    const { path, field } = requirement;
    requiring = { path, field, byValue: new Map() };
    own.requiring.set(key, requiring);
  }
  return requiring;
}

function keyOfPath({ name }: TablePlan, path: readonly RelationPlan[]): string {
  return [name, ...path.map((relation) => relation.name)].join('.');
}

function keyOfRequirement({ path, field }: Requirement): string {
  return [...path.map((relation) => relation.name), field.name].join('.');
}

function valueIn(byValue: GroupsByValue, record: ChangedRecord | undefined, { name }: FieldPlan) {
  return record === undefined ? undefined : byValue.get(record[name]);
}

function addAll(groups: Set<DependentGroup>, found: Iterable<DependentGroup> | undefined, view: ChangeView): void {
  for (const entry of found ?? []) {
    // The same group may look at the record by other fields than the ones that have changed.
    const { table } = view.change;
    const isOne = entry.part.dependencies.some((one) => lastOf(one.path).target === table && isConcerned(one, view));
    if (isOne) groups.add(entry);
  }
}

function addTo<K>(map: Map<K, Set<DependentGroup>>, key: K, entry: DependentGroup): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([entry]));
  else set.add(entry);
}

function removeFrom<K>(map: Map<K, Set<DependentGroup>>, key: K, entry: DependentGroup): void {
  const set = map.get(key);
  set?.delete(entry);
  if (set?.size === 0) map.delete(key);
}
