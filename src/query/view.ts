import type { FieldPlan, RelationPlan, TablePlan } from '../schema/plan.ts';
import type { Filter } from './syntax/ast.ts';
import { relationNamed } from './syntax/fields.ts';

/** Field that is readable only in the records that meet the filter. */
export interface ConditionalField {
  readonly field: FieldPlan;
  readonly filter: Filter;
}

/** Readable part of one table. */
export interface TableView {
  /** Readable fields, in schema order. */
  readonly readable: readonly FieldPlan[];
  /** Fields that a query may name: those that are readable in every record. */
  readonly nameable: readonly FieldPlan[];
  readonly masked: readonly ConditionalField[];
  /** Filter of the readable records; absent for all. */
  readonly filter?: Filter;
}

/** Readable part of the store for one caller. */
export interface ReadPolicy {
  /** Equal for policies of one application that make the same decisions. */
  readonly key: string;
  /**
   * Returns the readable part of a table; undefined when every field that is not hidden is readable in every record.
   */
  of(table: TablePlan): TableView | undefined;
}

/** Returns the fields that a query may name. */
export function nameableFields(table: TablePlan, view: ReadPolicy | undefined): readonly FieldPlan[] {
  return view?.of(table)?.nameable ?? table.visibleFields;
}

/** Returns the fields that a response has. */
export function readableFields(table: TablePlan, view: ReadPolicy | undefined): readonly FieldPlan[] {
  return view?.of(table)?.readable ?? table.visibleFields;
}

/**
 * Returns the relation if both of its fields are nameable, since a relation reveals the value of the field that it
 * follows.
 */
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

/** Combines two filters with `and`; undefined is no condition. */
export function both(first: Filter | undefined, second: Filter | undefined): Filter | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return { type: 'and', items: [first, second] };
}
