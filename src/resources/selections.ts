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

interface SelectionScope {
  readonly table: TablePlan;
  readonly store: Pick<RelatedReader, 'related'>;
  readonly delta?: boolean;
}

/** Makes the part of a query by which the hub chooses and shapes frames. */
export function makeSelection(query: ListQuery, { table, store, delta = false }: SelectionScope): Selection {
  const { filter, sees, select } = query;
  if (filter === undefined && sees === undefined && select === undefined && !delta) return { key: '' };
  const fields = select?.fields.map(({ name }) => name);
  const relations = select?.relations ?? [];
  const equal = (filter && equalOf(filter)) ?? (sees && equalOf(sees));
  const masked = select?.masked ?? [];
  const dependent = dependentPart(table, { filters: [filter, sees], select });
  return {
    key: selectionKey([filter, sees, fields, masked.map(conditionKey), relations.map(relationKey), delta]),
    ...(filter === undefined ? {} : { matches: compilePredicate(filter) }),
    ...(sees === undefined ? {} : { sees: compilePredicate(sees) }),
    ...(masked.length === 0 ? {} : { masked: new Map(masked.map(toMask)) }),
    ...(equal === undefined ? {} : { equal: { field: equal.field.name, value: equal.value } }),
    ...(fields === undefined ? {} : { fields }),
    ...(relations.length === 0 ? {} : { readRelated: makeRelatedReader(relations, table, store) }),
    ...(delta ? { delta } : {}),
    ...(dependent === undefined ? {} : { dependent }),
  };
}

/** Plans refer to each other and are large: a path is identified by its name. */
function selectionKey(parts: readonly unknown[]): string {
  return JSON.stringify(parts, (key, value: unknown) => {
    if (key === 'path' || key === 'relation') return (value as { name: string }).name;
    return typeof value === 'bigint' ? `${value}n` : value;
  });
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
