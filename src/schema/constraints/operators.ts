import type { FieldType, ScalarName } from '../plan.ts';

/** Operators of a patch, each with the types of fields on which it works; `list` is any list. */
export const OPERATORS = {
  $inc: ['Int', 'Long', 'Float'],
  $max: ['Int', 'Long', 'Float', 'Date'],
  $min: ['Int', 'Long', 'Float', 'Date'],
  $addToSet: ['list'],
  $remove: ['list'],
  $push: ['list'],
} as const satisfies Readonly<Record<string, readonly (ScalarName | 'list')[]>>;
export type ChangeOperator = keyof typeof OPERATORS;

/** Returns the operators that a field of this type takes, besides `$unset`. */
export function operatorsOf(type: FieldType): readonly ChangeOperator[] {
  const name = type.kind === 'scalar' ? type.name : type.kind;
  return (Object.keys(OPERATORS) as ChangeOperator[]).filter((operator) =>
    OPERATORS[operator].some((allowed) => allowed === name),
  );
}
