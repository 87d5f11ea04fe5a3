import type { FieldType } from '../../schema/plan.ts';
import { isText } from '../../schema/sdl/field.ts';
import { parseWords } from '../words.ts';
import type { FieldPath, Filter, Scalar } from './ast.ts';
import {
  describeMismatch,
  elementType,
  isOrdered,
  type LiteralType,
  nameType,
  parseLiteral,
  typedPrefix,
} from './literal.ts';
import type { FilterLimits, QueryOperator } from './operators.ts';

/** Value as it was written: already decoded, split at the stars that are wildcards where wildcards are allowed. */
export interface Operand {
  readonly text: string;
  /** Literal runs between the unescaped stars; one run when there is no star. */
  readonly runs: readonly string[];
  /** True for a value in quotes, which is a literal. */
  readonly quoted: boolean;
  readonly position: number;
}

/** Error of an impossible condition; the parser adds the column. */
export class ConditionError extends Error {
  readonly position: number | undefined;

  constructor(message: string, position?: number) {
    super(message);
    this.position = position;
  }
}

function lastType(path: FieldPath): FieldType {
  return (path.fields.at(-1) ?? path.fields[0]).type;
}

function comparable(path: FieldPath): LiteralType {
  const type = elementType(lastType(path));
  if (type.kind === 'object') {
    const first = type.fields[0]?.name ?? 'field';
    throw new ConditionError(
      `${path.name} is an object: compare one of its fields, such as ${path.name}.${first}, or test it with ==null`,
    );
  }
  if (type.kind === 'enum') return type;
  if (type.name === 'JSON') {
    throw new ConditionError(`${path.name} is JSON: it can only be tested with ==null and !=null`);
  }
  return { kind: 'scalar', name: type.name };
}

function typed(type: LiteralType, operand: Operand, strict: boolean): Scalar {
  const prefix = typedPrefix(type);
  const isTyped = !strict && !operand.quoted && operand.text.startsWith(prefix);
  const text = isTyped ? operand.text.slice(prefix.length) : operand.text;
  const value = parseLiteral(type, text);
  if (value === undefined) throw new ConditionError(describeMismatch(type, text), operand.position);
  return value;
}

function isNullWord(operand: Operand): boolean {
  return !operand.quoted && operand.text === 'null';
}

function orderable(path: FieldPath, name: string): LiteralType {
  const type = comparable(path);
  if (!isOrdered(type))
    throw new ConditionError(`${path.name} is ${nameType(lastType(path))}, which has no order for ${name}`);
  return type;
}

function ordered(type: LiteralType, operand: Operand): Scalar {
  if (isNullWord(operand)) {
    throw new ConditionError('null has no order: test it with ==null or !=null', operand.position);
  }
  return typed(type, operand, false);
}

function negate(filter: Filter, negated: boolean): Filter {
  return negated ? { type: 'not', item: filter } : filter;
}

function checkPattern(text: string, position: number, limits: FilterLimits): void {
  if (text.length > limits.filterPattern) {
    throw new ConditionError(`a string to search for has at most ${limits.filterPattern} characters`, position);
  }
}

/** Makes the simplest condition for a pattern such as `A*`. */
function wildcard(path: FieldPath, runs: readonly string[]): Filter {
  const [first = ''] = runs;
  const last = runs.at(-1) ?? '';
  const middle = runs.slice(1, -1).filter((run) => run !== '');
  // A star alone too: every string starts with the empty one, and a null field does not.
  if (middle.length === 0 && last === '') return { type: 'text', path, op: 'starts', value: first };
  if (middle.length === 0 && first === '') return { type: 'text', path, op: 'ends', value: last };
  const [only] = middle;
  if (middle.length === 1 && only !== undefined && first === '' && last === '') {
    return { type: 'text', path, op: 'contains', value: only };
  }
  return { type: 'pattern', path, runs: [first, ...middle, last] };
}

function equal(path: FieldPath, operand: Operand, strict: boolean, limits: FilterLimits): Filter {
  if (!strict && isNullWord(operand)) return { type: 'null', path };
  const type = comparable(path);
  if (strict || operand.runs.length === 1 || operand.text.startsWith('string:')) {
    return { type: 'compare', path, op: 'eq', value: typed(type, operand, strict) };
  }
  if (!isText(type)) {
    throw new ConditionError(
      `* matches any characters and works on String and ID only; ${describeMismatch(type, operand.text)}`,
      operand.position,
    );
  }
  checkPattern(operand.text, operand.position, limits);
  return wildcard(path, operand.runs);
}

function text(path: FieldPath, op: 'contains' | 'starts' | 'ends', operand: Operand, limits: FilterLimits): Filter {
  const type = comparable(path);
  // For a list, "contains" tests the elements, as == does.
  if (op === 'contains' && lastType(path).kind === 'list') {
    return { type: 'compare', path, op: 'eq', value: typed(type, operand, true) };
  }
  if (!isText(type)) {
    throw new ConditionError(
      `${path.name} is ${nameType(lastType(path))}: =ct=, =sw= and =ew= work on String and ID only`,
    );
  }
  checkPattern(operand.text, operand.position, limits);
  return { type: 'text', path, op, value: operand.text };
}

function words(path: FieldPath, operand: Operand, limits: FilterLimits): Filter {
  if (!isText(comparable(path))) {
    throw new ConditionError(`${path.name} is ${nameType(lastType(path))}: =ft= looks for words in String and ID only`);
  }
  checkPattern(operand.text, operand.position, limits);
  const sought = parseWords(operand.text);
  if (sought.length === 0) {
    throw new ConditionError('=ft= looks for words, and there is no letter and no digit', operand.position);
  }
  return { type: 'words', path, words: sought };
}

function set(path: FieldPath, operands: readonly Operand[]): Filter {
  const present = operands.filter((operand) => !isNullWord(operand));
  const isNull: Filter = { type: 'null', path };
  if (present.length === 0) return isNull;
  const type = comparable(path);
  const values = [...new Set(present.map((operand) => typed(type, operand, false)))];
  const isIn: Filter = { type: 'in', path, values };
  return present.length === operands.length ? isIn : { type: 'or', items: [isNull, isIn] };
}

/**
 * Makes the condition of an empty list, which no record meets: programs send it for an empty array. Throws
 * ConditionError.
 */
export function makeEmptySet(path: FieldPath): Filter {
  comparable(path);
  return { type: 'in', path, values: [] };
}

function range(
  path: FieldPath,
  operator: Extract<QueryOperator, { type: 'range' }>,
  operands: readonly Operand[],
): Filter {
  const type = orderable(path, 'a range');
  const [low, high, extra] = operands;
  if (low === undefined || high === undefined || extra !== undefined) {
    throw new ConditionError(
      `a range takes two values, such as 10,100; found ${operands.length}`,
      operands[0]?.position,
    );
  }
  const { lowOp, highOp } = operator;
  return { type: 'range', path, low: ordered(type, low), lowOp, high: ordered(type, high), highOp };
}

/** Makes one condition, with its values typed by the schema. Throws ConditionError. */
export function makeCondition(
  path: FieldPath,
  operator: QueryOperator,
  operands: readonly [Operand, ...Operand[]],
  limits: FilterLimits,
): Filter {
  const [operand] = operands;
  switch (operator.type) {
    case 'equal':
      return negate(equal(path, operand, operator.strict, limits), operator.negated);
    case 'order': {
      const type = orderable(path, 'a comparison');
      return { type: 'compare', path, op: operator.op, value: ordered(type, operand) };
    }
    case 'text':
      return text(path, operator.op, operand, limits);
    case 'words':
      return words(path, operand, limits);
    case 'set':
      return negate(set(path, operands), operator.negated);
    case 'range':
      return range(path, operator, operands);
    case 'refused':
      throw new ConditionError(operator.why);
  }
}
