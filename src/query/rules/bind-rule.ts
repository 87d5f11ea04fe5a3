import type { JsonValue } from '../../schema/plan.ts';
import type { Filter } from '../syntax/ast.ts';
import { ConditionError, makeCondition, type Operand } from '../syntax/condition.ts';
import type { QueryOperator } from '../syntax/operators.ts';
import { AUTHENTICATED, type ClaimPath, type Rule, type RuleOperand } from './rule.ts';

/** Who asks, as far as a rule can ask. */
export interface RuleInput {
  readonly authenticated: boolean;
  readonly roles: readonly string[];
  readonly claims: Readonly<Record<string, JsonValue>>;
}

/**
 * What a rule says for somebody: true for every record, false for none, or the filter that a record must meet. A
 * condition on a claim that he does not have never lets him through, also not under `!`.
 */
export function bindRule(rule: Rule, input: RuleInput): boolean | Filter {
  return bind(rule, input, false);
}

/** `unknown`: what a condition counts as that cannot be answered, which is what lets nobody through. */
function bind(rule: Rule, input: RuleInput, unknown: boolean): boolean | Filter {
  switch (rule.type) {
    case 'and':
    case 'or':
      return combine(
        rule.type,
        rule.items.map((item) => bind(item, input, unknown)),
      );
    case 'not':
      return negate(bind(rule.item, input, !unknown));
    case 'role':
      return rule.name === AUTHENTICATED ? input.authenticated : input.roles.includes(rule.name);
    case 'filter':
      return rule.filter;
    case 'claim':
      return compareClaim(readClaim(rule.claim, input), rule.operator, operandsOf(rule.operands, input)) ?? unknown;
    case 'field':
      return bindField(rule, operandsOf(rule.operands, input)) ?? unknown;
  }
}

function combine(type: 'and' | 'or', items: readonly (boolean | Filter)[]): boolean | Filter {
  const decisive = type === 'or';
  if (items.includes(decisive)) return decisive;
  const filters = items.filter((item): item is Filter => typeof item === 'object');
  const [only] = filters;
  if (only === undefined) return !decisive;
  return filters.length === 1 ? only : { type, items: filters };
}

function negate(item: boolean | Filter): boolean | Filter {
  if (typeof item === 'boolean') return !item;
  return item.type === 'not' ? item.item : { type: 'not', item };
}

/** The operands as values; undefined when a claim among them is missing. */
function operandsOf(operands: readonly RuleOperand[], input: RuleInput): readonly JsonValue[] | undefined {
  const values: JsonValue[] = [];
  for (const operand of operands) {
    if (!('claim' in operand)) {
      values.push(operand.text);
      continue;
    }
    const value = readClaim(operand.claim, input);
    if (value === undefined || value === null) return undefined;
    values.push(value);
  }
  return values;
}

function readClaim(path: ClaimPath, { claims }: RuleInput): JsonValue | undefined {
  let value: JsonValue | undefined = claims as JsonValue;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step))
      return undefined;
    value = (value as Record<string, JsonValue>)[step];
  }
  return value;
}

function compareClaim(
  claim: JsonValue | undefined,
  operator: QueryOperator,
  operands: readonly JsonValue[] | undefined,
): boolean | undefined {
  if (claim === undefined || claim === null || operands === undefined) return undefined;
  const sought = new Set(operands.flat().map(String));
  const has = (Array.isArray(claim) ? (claim as readonly JsonValue[]) : [claim]).some((item) =>
    sought.has(String(item)),
  );
  return 'negated' in operator && operator.negated ? !has : has;
}

function bindField(
  { path, operator, operands: written, limits }: Extract<Rule, { type: 'field' }>,
  values: readonly JsonValue[] | undefined,
): boolean | Filter | undefined {
  if (values === undefined) return undefined;
  const operands = values.flatMap((value, index) => {
    const operand = written[index] as RuleOperand;
    // A claim is taken word for word: no star in it is a wildcard, and none is null.
    return 'claim' in operand ? [value].flat().map(toOperand) : [operand];
  });
  const isSet = operator.type === 'set';
  if (operands.some((operand) => operand === undefined)) return undefined;
  const [first] = operands;
  if (first === undefined) return isSet ? operator.negated : undefined;
  // One of several values: what == says of a list of claims is =in=.
  const several = operands.length > 1 && operator.type === 'equal';
  const effective: QueryOperator = several ? { type: 'set', negated: operator.negated } : operator;
  try {
    return makeCondition(path, effective, operands as [Operand, ...Operand[]], limits);
  } catch (error) {
    // The claim is no value of this field, and so never equal to one.
    if (error instanceof ConditionError) return undefined;
    throw error;
  }
}

function toOperand(value: JsonValue): Operand | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined;
  const text = String(value);
  return { text, runs: [text], quoted: true, position: 0 };
}
