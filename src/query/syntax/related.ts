import type { RelationPlan } from '../../schema/plan.ts';
import type { Filter } from './ast.ts';
import { ConditionError, type Operand } from './condition.ts';
import type { QueryOperator } from './operators.ts';

/** Relations that one condition follows. */
export const MAX_RELATIONS = 4;

/**
 * Makes a condition on related records: `author.name!=Ada` means that no author has the name, as with the elements of a
 * list.
 */
export function makeRelated(relations: readonly RelationPlan[], filter: Filter): Filter {
  if (filter.type === 'not') return { type: 'not', item: makeRelated(relations, filter.item) };
  return makeExists(relations, filter);
}

/** Makes the condition that there is a related record that meets the filter. */
export function makeExists(relations: readonly RelationPlan[], filter: Filter | undefined): Filter {
  const related = relations.reduceRight<Filter | undefined>(
    (item, relation) => ({ type: 'related', relation, item }),
    filter,
  );
  if (related === undefined) throw new Error('There is neither a relation nor a condition.');
  return related;
}

/** True for `==null` and `!=null`. */
export function isNullTest(operator: QueryOperator, operand: Operand | undefined): boolean {
  return operator.type === 'equal' && !operator.strict && operand?.quoted === false && operand.text === 'null';
}

/** Makes the condition `author==null`: there is no related record. Throws ConditionError for any other value. */
export function makePresence(
  relations: readonly RelationPlan[],
  operator: QueryOperator,
  operand: Operand | undefined,
): Filter {
  const { name, target } = relations.at(-1) as RelationPlan;
  if (operator.type !== 'equal' || !isNullTest(operator, operand)) {
    const field = target.visibleFields.find((it) => it !== target.primaryKey) ?? target.primaryKey;
    throw new ConditionError(
      `${name} stands for records of ${target.name}: compare one of their fields, such as ${name}.${field.name}, or test it with ==null`,
    );
  }
  const present = makeExists(relations, undefined);
  return operator.negated ? present : { type: 'not', item: present };
}
