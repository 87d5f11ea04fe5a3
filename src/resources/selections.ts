import { dependentPart, equalOf } from '../hub/dependencies/dependency.ts';
import type { Selection } from '../hub/selection.ts';
import {
  type ConditionalField,
  compilePredicate,
  type ListQuery,
  type Predicate,
  type SelectedRelation,
} from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { RelatedReader } from '../store/store.ts';
import { makeRelatedReader } from './relations.ts';
import { makeCount, makeTotals } from './totals.ts';
import { makeWindow, selectionKey } from './window-query.ts';

interface SelectionScope {
  readonly table: TablePlan;
  readonly store: Pick<RelatedReader, 'related'>;
  readonly delta?: boolean;
  /** True to follow only the records that a list with this query returns. */
  readonly isWindow?: boolean;
}

/** Makes the part of a query by which the hub chooses and shapes frames. */
export function makeSelection(query: ListQuery, scope: SelectionScope): Selection {
  const { table, store, delta = false, isWindow = false } = scope;
  const { filter, sees, select } = query;
  if (query.aggregate !== undefined) return makeTotalsSelection(query, table);
  const counted = query.count ? makeCount(query, table) : undefined;
  const isWhole = filter === undefined && sees === undefined && select === undefined;
  if (isWhole && !delta && !isWindow && counted === undefined) return { key: '' };
  const fields = select?.fields.map(({ name }) => name);
  const relations = select?.relations ?? [];
  const equal = (filter && equalOf(filter)) ?? (sees && equalOf(sees));
  const masked = select?.masked ?? [];
  const dependent = dependentPart(table, { filters: [filter, sees], select });
  const window = isWindow ? makeWindow(query, table) : undefined;
  return {
    key: selectionKey([
      filter,
      sees,
      fields,
      masked.map(conditionKey),
      relations.map(relationKey),
      delta,
      window?.key,
      counted !== undefined,
    ]),
    ...(filter === undefined ? {} : { matches: compilePredicate(filter) }),
    ...(sees === undefined ? {} : { sees: compilePredicate(sees) }),
    ...(masked.length === 0 ? {} : { masked: new Map(masked.map(toMask)) }),
    ...(equal === undefined ? {} : { equal: { field: equal.field.name, value: equal.value } }),
    ...(fields === undefined ? {} : { fields }),
    ...(relations.length === 0 ? {} : { readRelated: makeRelatedReader(relations, table, store) }),
    ...(delta ? { delta } : {}),
    ...(dependent === undefined ? {} : { dependent }),
    ...(window === undefined ? {} : { window }),
    ...(counted === undefined ? {} : { counted }),
  };
}

/** Selection of results instead of records: the rights of the caller are in the query of the totals. */
function makeTotalsSelection(query: ListQuery, table: TablePlan): Selection {
  const { filter, sees } = query;
  const totals = makeTotals(query, table);
  const equal = (filter && equalOf(filter)) ?? (sees && equalOf(sees));
  const dependent = dependentPart(table, { filters: [filter, sees], select: undefined });
  return {
    key: `totals ${totals.key}`,
    totals,
    ...(equal === undefined ? {} : { equal: { field: equal.field.name, value: equal.value } }),
    ...(dependent === undefined ? {} : { dependent }),
  };
}

function conditionKey({ field, filter }: ConditionalField): unknown {
  return [field.name, filter];
}

function toMask({ field, filter }: ConditionalField): [string, Predicate] {
  return [field.name, compilePredicate(filter)];
}

function relationKey({ relation, select, filter }: SelectedRelation): string {
  const { fields, relations, masked = [] } = select;
  const names = [...fields.map(({ name }) => name), ...relations.map(relationKey)];
  const limits = filter === undefined && masked.length === 0 ? '' : selectionKey([filter, masked.map(conditionKey)]);
  return `${relation.name}{${names.join()}}${limits}`;
}
