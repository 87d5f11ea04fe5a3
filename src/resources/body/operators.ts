import { suggest } from '../../config/files/suggest.ts';
import { type ChangeOperator, OPERATORS, operatorsOf } from '../../schema/constraints/operators.ts';
import type { FieldPlan, FieldType, JsonValue } from '../../schema/plan.ts';
import { formatType } from '../../schema/sdl/types.ts';
import type { CellChange } from '../../store/rows/cell-change.ts';
import { roundedIn } from './json.ts';
import { type Check, roundedProblem, type ValueReport } from './values.ts';

const UNSET = '$unset';

/**
 * True for an object that changes a field instead of replacing it: `{"$inc": 1}`. No name in a nested type begins with `$`;
 * for a field of type JSON the object is a value.
 */
export function isOperation(value: unknown, { type }: Pick<FieldPlan, 'type'>): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  if (type.kind === 'scalar' && type.name === 'JSON') return false;
  for (const name in value) if (name.startsWith('$')) return true;
  return false;
}

export interface OperatedField {
  readonly field: FieldPlan;
  /** Check of a value of the field's type. */
  readonly check: Check;
  /** Bytes that a list may have afterwards. */
  readonly maxBytes: number;
}

/** Reads `{"$inc": 1}` as a change; null for `$unset`. An error is reported, and the result is undefined. */
export function readOperation(
  operation: Record<string, unknown>,
  { field, check, maxBytes }: OperatedField,
  report: ValueReport,
): CellChange | null | undefined {
  const { name, type } = field;
  const operators = Object.keys(operation);
  const [operator = ''] = operators;
  const problem = operatorProblem(operators, field);
  if (problem !== undefined) {
    report(name, problem);
    return undefined;
  }
  const path = `${name}.${operator}`;
  const operand = operation[operator];
  if (operator === UNSET) {
    if (operand === true) return null;
    report(path, 'must be true');
    return undefined;
  }
  let isValid = true;
  const watched: ValueReport = (at, message) => {
    isValid = false;
    report(at, message);
  };
  const value =
    type.kind === 'list'
      ? readItems(operand, type, { check, path, report: watched })
      : readOperand(operation, operator, { type, check, path, report: watched });
  return isValid ? { operator: operator as ChangeOperator, operand: value, maxBytes } : undefined;
}

/** Returns the problem of an object with these members in place of the field's value, or undefined. */
export function operatorProblem(
  [operator = '', ...more]: readonly string[],
  { primaryKey, required, type }: FieldPlan,
): string | undefined {
  if (more.length > 0) return 'takes one operator in a request';
  if (primaryKey) return 'is the key of the record, which no operator changes';
  if (operator === UNSET) return required ? 'is required and cannot be unset' : undefined;
  const allowed = [...operatorsOf(type), ...(required ? [] : [UNSET])];
  if (allowed.includes(operator)) return undefined;
  const instead = allowed.length === 0 ? 'send a value' : `there are ${allowed.join(', ')}`;
  if (Object.hasOwn(OPERATORS, operator)) return `${operator} does not work on ${formatType(type)}; ${instead}`;
  const meant = suggest(operator, allowed);
  return `has no operator ${JSON.stringify(operator.slice(0, 40))}; ${meant ?? instead}`;
}

interface OperandContext {
  readonly check: Check;
  readonly path: string;
  readonly report: ValueReport;
}

function readOperand(
  operation: Record<string, unknown>,
  operator: string,
  { type, check, path, report }: OperandContext & { readonly type: FieldType },
): JsonValue {
  const wrong = roundedProblem(type, roundedIn(operation)?.get(operator));
  const operand = operation[operator];
  if (wrong === undefined && operand !== null) return check(operand, path, report);
  report(path, wrong ?? 'must not be null');
  return null;
}

/** Reads one item, or a list of them; an item that is a list itself, or any JSON, is always one. */
function readItems(
  operand: unknown,
  { of }: FieldType & { kind: 'list' },
  { check, path, report }: OperandContext,
): JsonValue {
  const isOne = of.kind === 'list' || (of.kind === 'scalar' && of.name === 'JSON');
  return check(Array.isArray(operand) && !isOne ? operand : [operand], path, report);
}
