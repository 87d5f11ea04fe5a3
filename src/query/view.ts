import type { FieldPlan, RelationPlan, TablePlan } from '../schema/plan.ts';
import type { Filter } from './syntax/ast.ts';
import { relationNamed, visibleFields } from './syntax/fields.ts';

/** A field that is shown only in the records that meet the filter. */
export interface ConditionalField {
  readonly field: FieldPlan;
  readonly filter: Filter;
}

/** What somebody sees of one table. */
export interface TableView {
  /** What is shown, in schema order. */
  readonly shown: readonly FieldPlan[];
  /** What a query may name: of what is shown, what is shown in every record. */
  readonly nameable: readonly FieldPlan[];
  readonly masked: readonly ConditionalField[];
  /** The records that there are for him; absent for all. */
  readonly filter?: Filter;
}

/** What somebody sees of the store. */
export interface ReadPolicy {
  /** Equal for views of one application that show the same. */
  readonly key: string;
  /** Undefined where he sees everything that is given out at all. */
  of(table: TablePlan): TableView | undefined;
}

/** The fields that a query may name. */
export function nameableFields(table: TablePlan, view: ReadPolicy | undefined): readonly FieldPlan[] {
  return view?.of(table)?.nameable ?? visibleFields(table);
}

/** The fields that an answer has. */
export function shownFields(table: TablePlan, view: ReadPolicy | undefined): readonly FieldPlan[] {
  return view?.of(table)?.shown ?? visibleFields(table);
}

/** A relation tells the value of the field that it goes by. */
export function nameableRelation(
  table: TablePlan,
  name: string,
  view: ReadPolicy | undefined,
): RelationPlan | undefined {
  const relation = relationNamed(table, name);
  if (relation === undefined || view === undefined) return relation;
  const { from, to, target } = relation;
  const known = from === undefined || from.hidden || nameableFields(table, view).includes(from);
  const pointed = to === undefined || to.hidden || nameableFields(target, view).includes(to);
  return known && pointed ? relation : undefined;
}

/** Both must hold; absent is no condition. */
export function both(first: Filter | undefined, second: Filter | undefined): Filter | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return { type: 'and', items: [first, second] };
}
