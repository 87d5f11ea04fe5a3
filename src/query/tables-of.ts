import type { TablePlan } from '../schema/plan.ts';
import type { ListQuery } from './list-query.ts';
import type { Select } from './select.ts';
import type { Filter } from './syntax/ast.ts';

type Parts = Partial<Pick<ListQuery, 'filter' | 'sees' | 'select'>>;

export const NO_TABLES: ReadonlySet<TablePlan> = new Set();

/** Returns the other tables whose records a filter or a select reads. */
export function relatedTables({ filter, select }: Omit<Parts, 'sees'>): ReadonlySet<TablePlan> {
  if (filter === undefined && (select === undefined || select.relations.length === 0)) return NO_TABLES;
  const tables = new Set<TablePlan>();
  if (filter !== undefined) addFilter(tables, filter);
  if (select !== undefined) addSelect(tables, select, false);
  return tables.size === 0 ? NO_TABLES : tables;
}

/** Returns the other tables whose records decide about the result of a query, also by rules of access. */
export function dependenciesOf({ filter, sees, select }: Parts): ReadonlySet<TablePlan> {
  if (filter === undefined && sees === undefined && select === undefined) return NO_TABLES;
  const tables = new Set<TablePlan>();
  for (const one of [filter, sees]) if (one !== undefined) addFilter(tables, one);
  if (select !== undefined) addSelect(tables, select, true);
  return tables.size === 0 ? NO_TABLES : tables;
}

/** True when the filter looks at records of other tables. */
export function readsOtherTables(filter: Filter): boolean {
  if (filter.type === 'related') return true;
  if (filter.type === 'not') return readsOtherTables(filter.item);
  return (filter.type === 'and' || filter.type === 'or') && filter.items.some(readsOtherTables);
}

function addFilter(tables: Set<TablePlan>, filter: Filter): void {
  if (filter.type === 'and' || filter.type === 'or') for (const item of filter.items) addFilter(tables, item);
  else if (filter.type === 'not') addFilter(tables, filter.item);
  else if (filter.type === 'related') {
    tables.add(filter.relation.target);
    if (filter.item !== undefined) addFilter(tables, filter.item);
  }
}

/** With `rules` also the tables that decide what is shown. */
function addSelect(tables: Set<TablePlan>, { relations, masked = [] }: Select, rules: boolean): void {
  if (rules) for (const { filter } of masked) addFilter(tables, filter);
  for (const { relation, select, filter } of relations) {
    tables.add(relation.target);
    if (rules && filter !== undefined) addFilter(tables, filter);
    addSelect(tables, select, rules);
  }
}
