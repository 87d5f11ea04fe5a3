import type { JsonValue } from '../../schema/plan.ts';
import type { Filter } from '../syntax/ast.ts';
import { ConditionError, makeCondition, type Operand } from '../syntax/condition.ts';
import type { QueryOperator } from '../syntax/operators.ts';
import { makeExists, makeRelated } from '../syntax/related.ts';
import { AUTHENTICATED, type ClaimPath, type Rule, type RuleOperand } from './rule.ts';

/** Data of a caller that a rule can read. */
export interface RuleInput {
  readonly authenticated: boolean;
  readonly roles: readonly string[];
  readonly claims: Readonly<Record<string, JsonValue>>;
}

/**
 * Returns the decision of a rule for a caller: true for every record, false for none, or the filter that a record must
 * meet. A condition on a claim that the caller does not have never grants anything, also not under `!`.
 */
export function bindRule(rule: Rule, input: RuleInput): boolean | Filter {
  return bind(rule, input, false);
}

/** Binds a rule; `unknown` is the value of a condition that cannot be decided, which is the one that grants nothing. */
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
    case 'related': {
      const item = bind(rule.item, input, unknown);
      return typeof item === 'boolean' ? item : makeRelated(rule.relations, item);
    }
    case 'exists': {
      const item = bind(rule.item, input, unknown);
      // Nothing is granted by what cannot be decided, also where there is no record to decide on.
      if (typeof item === 'boolean') return item && !unknown ? makeExists(rule.relations, undefined) : item;
      return makeExists(rule.relations, item);
    }
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

/** Returns the operands as values; undefined when a claim among them is missing. */
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

/** Returns the value of a claim of the caller; undefined when it has none. */
export function readClaim(path: ClaimPath, { claims }: Pick<RuleInput, 'claims'>): JsonValue | undefined {
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
    // A claim is a literal: no star in it is a wildcard, and none is null.
    return 'claim' in operand ? [value].flat().map(toOperand) : [operand];
  });
  const isSet = operator.type === 'set';
  if (operands.some((operand) => operand === undefined)) return undefined;
  const [first] = operands;
  if (first === undefined) return isSet ? operator.negated : undefined;
  // == with a list of claims means =in=: one of several values.
  const several = operands.length > 1 && operator.type === 'equal';
  const effective: QueryOperator = several ? { type: 'set', negated: operator.negated } : operator;
  try {
    return makeCondition(path, effective, operands as [Operand, ...Operand[]], limits);
  } catch (error) {
    // The claim is not a value of this field, and so never equal to one.
    if (error instanceof ConditionError) return undefined;
    throw error;
  }
}

function toOperand(value: JsonValue): Operand | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined;
  const text = String(value);
  return { text, runs: [text], quoted: true, position: 0 };
}
