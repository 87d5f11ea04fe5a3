import type { Filter, Select, SelectedRelation } from '../../query/index.ts';
import type { FieldPlan, RelationPlan, TablePlan } from '../../schema/plan.ts';
import type { ChangeView } from '../change-view.ts';

/** Value that a field has in every record that matters. */
export interface FieldValue {
  readonly field: FieldPlan;
  readonly value: string | number | boolean;
}

/** Records of another table that decide about a subscription: the end of a path of relations. */
export interface Dependency {
  /** Relations from the subscription's table to the other one, at least one. */
  readonly path: readonly RelationPlan[];
  /** Names of the fields that decide. */
  readonly uses: ReadonlySet<string>;
  /** Present when only records with this value decide. */
  readonly equal?: FieldValue;
}

/** Condition on a value that a record, or a related one, has: without it the record is not in the subscription. */
export interface Requirement extends FieldValue {
  readonly path: readonly RelationPlan[];
}

/** Part of a selection that looks at other tables. */
export interface DependentPart {
  readonly table: TablePlan;
  readonly relations: readonly SelectedRelation[];
  readonly dependencies: readonly Dependency[];
  /** Other tables, each once. */
  readonly tables: readonly TablePlan[];
  /** Requirements of which every record meets one; undefined when there are none to look it up by. */
  readonly requirements: readonly Requirement[] | undefined;
}

interface DependentQuery {
  readonly filters: readonly (Filter | undefined)[];
  readonly select: Select | undefined;
}

/** Returns the part of a query that looks at other tables; undefined when there is none. */
export function dependentPart(table: TablePlan, { filters, select }: DependentQuery): DependentPart | undefined {
  const conditions = filters.filter((filter) => filter !== undefined);
  const collector = new Collector();
  for (const filter of conditions) collector.filter(filter, []);
  if (select !== undefined) collector.select(select, []);
  const { dependencies } = collector;
  if (dependencies.length === 0) return undefined;
  const [first, ...more] = conditions;
  const all: Filter | undefined = more.length === 0 ? first : { type: 'and', items: conditions };
  return {
    table,
    relations: select?.relations ?? [],
    dependencies,
    tables: [...new Set(dependencies.map(({ path }) => lastOf(path).target))],
    requirements: all && requirementsOf(all, []),
  };
}

/** True when a change of a record at the end of the path can concern the subscription. */
export function isConcerned({ uses, equal }: Dependency, { change, previous, before, after }: ChangeView): boolean {
  if (change.op === 'publish') return false;
  if (change.op === 'update' && !Object.keys(previous ?? {}).some((name) => uses.has(name))) return false;
  if (equal === undefined) return true;
  const { field, value } = equal;
  return before?.[field.name] === value || after?.[field.name] === value;
}

export function lastOf(path: readonly RelationPlan[]): RelationPlan {
  return path[path.length - 1] as RelationPlan;
}

class Collector {
  readonly dependencies: Dependency[] = [];

  filter(filter: Filter, path: readonly RelationPlan[]): void {
    if (filter.type === 'and' || filter.type === 'or') for (const item of filter.items) this.filter(item, path);
    else if (filter.type === 'not') this.filter(filter.item, path);
    else if (filter.type === 'related') {
      const { relation, item } = filter;
      const further = [...path, relation];
      const uses = new Set<string>(item === undefined ? [] : fieldsOf(item));
      addEnd(uses, relation);
      const equal = item && equalOf(item);
      this.dependencies.push({ path: further, uses, ...(equal === undefined ? {} : { equal }) });
      if (item !== undefined) this.filter(item, further);
    }
  }

  select({ relations, masked = [] }: Select, path: readonly RelationPlan[]): void {
    for (const { filter } of masked) this.filter(filter, path);
    for (const { relation, select, filter } of relations) {
      const further = [...path, relation];
      const uses = new Set([
        relation.target.primaryKey.name,
        ...select.fields.map(({ name }) => name),
        ...(select.masked ?? []).flatMap((mask) => fieldsOf(mask.filter)),
        ...(filter === undefined ? [] : fieldsOf(filter)),
        ...select.relations.flatMap((inner) => inner.relation.from?.name ?? []),
      ]);
      addEnd(uses, relation);
      this.dependencies.push({ path: further, uses });
      if (filter !== undefined) this.filter(filter, further);
      this.select(select, further);
    }
  }
}

/** Adds the field by which the relation finds the record. */
function addEnd(uses: Set<string>, { to }: RelationPlan): void {
  if (to !== undefined) uses.add(to.name);
}

/** Returns the names of the record's own fields that a filter looks at. */
function fieldsOf(filter: Filter): readonly string[] {
  switch (filter.type) {
    case 'and':
    case 'or':
      return filter.items.flatMap(fieldsOf);
    case 'not':
      return fieldsOf(filter.item);
    case 'related':
      return filter.relation.from === undefined ? [] : [filter.relation.from.name];
    default:
      return [filter.path.fields[0].name];
  }
}

/** Returns a field that must have one certain value for the filter to hold. */
export function equalOf(filter: Filter): FieldValue | undefined {
  if (filter.type === 'and') {
    for (const item of filter.items) {
      const equal = equalOf(item);
      if (equal !== undefined) return equal;
    }
    return undefined;
  }
  if (filter.type !== 'compare' || filter.op !== 'eq' || filter.path.fields.length > 1) return undefined;
  const [field] = filter.path.fields;
  const { type } = field;
  // A list has many values, and a Long has two spellings.
  if (type.kind === 'list' || (type.kind === 'scalar' && type.name === 'Long')) return undefined;
  return typeof filter.value === 'bigint' ? undefined : { field, value: filter.value };
}

/** Returns conditions on single values of which at least one holds where the filter does. */
function requirementsOf(filter: Filter, path: readonly RelationPlan[]): readonly Requirement[] | undefined {
  if (filter.type === 'and') {
    const found = filter.items.flatMap((item) => {
      const requirements = requirementsOf(item, path);
      return requirements === undefined ? [] : [requirements];
    });
    return found.toSorted((a, b) => a.length - b.length)[0];
  }
  if (filter.type === 'or') {
    const found = filter.items.map((item) => requirementsOf(item, path));
    return found.every((one) => one !== undefined) ? found.flat() : undefined;
  }
  if (filter.type === 'related')
    return filter.item === undefined ? undefined : requirementsOf(filter.item, [...path, filter.relation]);
  const equal = equalOf(filter);
  return equal && [{ ...equal, path }];
}
