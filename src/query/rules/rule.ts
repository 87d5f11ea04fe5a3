import type { FieldPlan, RelationPlan, TablePlan } from '../../schema/plan.ts';
import type { FieldPath, Filter } from '../syntax/ast.ts';
import { ConditionError, makeCondition, type Operand } from '../syntax/condition.ts';
import { relationNamed } from '../syntax/fields.ts';
import { elementType } from '../syntax/literal.ts';
import type { FilterLimits, QueryOperator } from '../syntax/operators.ts';
import { QueryReader } from '../syntax/reader.ts';
import { isNullTest, makePresence } from '../syntax/related.ts';
import { TermParser } from '../syntax/terms.ts';
import { type RuleTarget, resolveRuleTarget } from './rule-target.ts';

/** Steps of `$auth.org.id`. */
export type ClaimPath = readonly string[];

/** Value of a condition: a literal, or a claim of the caller. */
export type RuleOperand = Operand | { readonly claim: ClaimPath };

/**
 * Access rule: which callers may do something, and with which records. `bindRule` turns it into a filter for a caller.
 */
export type Rule =
  | { readonly type: 'and' | 'or'; readonly items: readonly Rule[] }
  | { readonly type: 'not'; readonly item: Rule }
  /** Condition that the caller has this role; every principal has the role `authenticated`. */
  | { readonly type: 'role'; readonly name: string }
  | {
      readonly type: 'claim';
      readonly claim: ClaimPath;
      readonly operator: QueryOperator;
      readonly operands: readonly RuleOperand[];
    }
  | {
      readonly type: 'field';
      readonly path: FieldPath;
      readonly operator: QueryOperator;
      readonly operands: readonly RuleOperand[];
      readonly limits: FilterLimits;
    }
  | { readonly type: 'filter'; readonly filter: Filter }
  /** Condition on the records to which the relations lead, as a filter has it: `!=` holds for all of them. */
  | {
      readonly type: 'related';
      readonly relations: readonly RelationPlan[];
      readonly item: Extract<Rule, { type: 'field' | 'filter' }>;
    }
  /** Conditions that one and the same record meets to which the relations lead. */
  | { readonly type: 'exists'; readonly relations: readonly RelationPlan[]; readonly item: Rule };

/** Role of every caller that is not anonymous. */
export const AUTHENTICATED = 'authenticated';

const CLAIM = /^\$auth((?:\.[A-Za-z_][A-Za-z0-9_-]{0,63}){1,4})$/;

/** Claim that has the parameters of a room's name: `$room.id` is read as a claim of this name. No token has it for rules. */
export const ROOM_CLAIM = '$room';

/** Subject of a rule: the records of a table, or without one only the caller; and the parameters of a room's name. */
export interface RuleSubject {
  readonly table: TablePlan | undefined;
  readonly parameters?: readonly string[] | undefined;
}

/**
 * Parses the text of a rule: the language of `filter=`, in which a word alone is a role and `$auth.name` stands for a
 * claim of the caller, on either side. `title` names the rule in errors. Throws INVALID_QUERY with the column.
 */
export function parseRule(text: string, table: TablePlan, limits: FilterLimits, title: string): Rule {
  return parseRuleOf({ table }, text, limits, title);
}

/** Does the same for any subject, in whose rules `$room.name` may stand, too. */
export function parseRuleOf(subject: RuleSubject, text: string, limits: FilterLimits, title: string): Rule {
  const reader = new QueryReader(text, title, false);
  reader.checkCharacters(text, 0);
  const rule = new RuleParser(reader, subject, limits).parseOr(0);
  if (!reader.atEnd()) throw reader.error(`expected &, | or the end, found ${reader.found()}`);
  return rule;
}

/** Returns the roles and claims that the decision of a rule can depend on: `role editor`, `claim sub`. */
export function inputsOf(rule: Rule): { readonly roles: readonly string[]; readonly claims: readonly ClaimPath[] } {
  switch (rule.type) {
    case 'and':
    case 'or': {
      const inputs = rule.items.map(inputsOf);
      return { roles: inputs.flatMap(({ roles }) => roles), claims: inputs.flatMap(({ claims }) => claims) };
    }
    case 'not':
    case 'related':
    case 'exists':
      return inputsOf(rule.item);
    case 'role':
      return { roles: [rule.name], claims: [] };
    case 'claim':
      return { roles: [], claims: [rule.claim, ...claimsOf(rule.operands)] };
    case 'field':
      return { roles: [], claims: claimsOf(rule.operands) };
    case 'filter':
      return { roles: [], claims: [] };
  }
}

function claimsOf(operands: readonly RuleOperand[]): ClaimPath[] {
  return operands.flatMap((operand) => ('claim' in operand ? [operand.claim] : []));
}

/** Words that are not taken for roles: whether they mean everyone, or no one. */
const NO_ROLES: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'public', 'anyone', 'everyone', 'everybody'].map((word) => [word, true] as const),
  ...['false', 'null', 'none', 'nobody'].map((word) => [word, false] as const),
]);

class RuleParser extends TermParser<Rule> {
  readonly #subject: RuleSubject;
  /** Relations that lead to the table. */
  readonly #depth: number;

  constructor(reader: QueryReader, subject: RuleSubject, limits: FilterLimits, depth = 0) {
    super(reader, limits);
    this.#subject = subject;
    this.#depth = depth;
  }

  protected combined(term: Rule): Rule {
    return term;
  }

  parseCondition(name: string, start: number): Rule {
    const { reader, limits } = this;
    if (name === '') throw reader.error(`expected a role or a condition, found ${reader.found()}`, start);
    reader.skipSpace();
    if (reader.atEnd() || '&|;,)]'.includes(reader.peek())) return this.#role(name, start);
    const claim = this.#parseClaim(name);
    if (claim === undefined && name.startsWith('$')) throw this.#noClaim(name, start);
    const target = claim === undefined ? this.#target(name, start) : undefined;
    if (target?.path === undefined && target !== undefined && reader.peek() === '(') return this.#group(target);
    const operator = reader.readOperator(name);
    const operands = this.#operands(operator);
    if (target === undefined) return this.#claim(claim ?? [], { operator, operands, start });
    try {
      return makeTargetRule(target, operator, operands, limits);
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      throw reader.error(error.message, error.position ?? start);
    }
  }

  #target(name: string, start: number): RuleTarget {
    const { table } = this.#subject;
    if (table === undefined)
      throw this.reader.error(
        `${name} is a field of a record, and this room has none: name its table in \`record\``,
        start,
      );
    return resolveRuleTarget(this.reader, name, start, { table, depth: this.#depth });
  }

  /** Parses `members(userId==$auth.sub & role==editor)`: one and the same record meets all of it. */
  #group({ relations }: RuleTarget): Rule {
    const { reader, limits } = this;
    const { target } = relations.at(-1) as RelationPlan;
    const start = reader.position;
    reader.accept('(');
    const inner = new RuleParser(reader, { ...this.#subject, table: target }, limits, this.#depth + relations.length);
    const item = reader.within(() => inner.parseOr(0));
    reader.skipSpace();
    if (!reader.accept(')'))
      throw reader.error(`expected ) for the ( at column ${reader.column(start)}, found ${reader.found()}`);
    return { type: 'exists', relations, item };
  }

  #role(name: string, start: number): Rule {
    if (name.startsWith('$')) throw this.#noClaim(name, start, 'and a comparison, such as $auth.sub==ada');
    const [first = ''] = name.split('.', 1);
    const { table } = this.#subject;
    if (first !== name && table !== undefined && relationNamed(table, first) !== undefined)
      throw this.reader.error(`expected a comparison after ${name}, such as ${name}==$auth.sub`, start);
    if (NO_ROLES.has(name)) throw this.#notARole(name, start);
    if (/^[A-Za-z_][\w.:@/-]{0,127}$/.test(name)) return { type: 'role', name };
    throw this.reader.error('a role is a word of letters, digits and _ . : @ / -', start);
  }

  /** Words that are meant for everyone or for no one would be roles that no token has. */
  #notARole(name: string, start: number): Error {
    const forAll = this.#subject.table === undefined ? 'anyone, alone,' : '@export(public: …)';
    const hint = NO_ROLES.get(name)
      ? `authenticated is for all callers who are logged in, ${forAll} for all others too`
      : 'an action without a rule is for admins only';
    return this.reader.error(`"${name}" is no role: ${hint}`, start);
  }

  #claim(claim: ClaimPath, rest: { operator: QueryOperator; operands: readonly RuleOperand[]; start: number }): Rule {
    const { operator, operands, start } = rest;
    if (operator.type === 'equal' || operator.type === 'set') return { type: 'claim', claim, operator, operands };
    if (operator.type === 'text' && operator.op === 'contains') return { type: 'claim', claim, operator, operands };
    throw this.reader.error('a claim is compared with ==, !=, =in=, =out= or =ct=', start);
  }

  #operands(operator: QueryOperator): readonly RuleOperand[] {
    const { reader } = this;
    reader.skipSpace();
    const start = reader.position;
    const isList = (operator.type === 'set' || operator.type === 'range') && reader.peek() !== '$';
    const operands = isList ? reader.readList(this.limits.filterValues) : [reader.readValue()];
    return operands.map((operand) => {
      if (operand.quoted || !operand.text.startsWith('$')) return operand;
      const claim = this.#parseClaim(operand.text);
      if (claim === undefined) throw this.#noClaim(operand.text, start);
      return { claim };
    });
  }

  #parseClaim(text: string): ClaimPath | undefined {
    const [root, parameter = ''] = text.split('.', 2);
    const { parameters = [] } = this.#subject;
    if (root === ROOM_CLAIM && parameters.includes(parameter) && text === `${ROOM_CLAIM}.${parameter}`)
      return [ROOM_CLAIM, parameter];
    return CLAIM.exec(text)?.[1]?.slice(1).split('.');
  }

  #noClaim(text: string, start: number, more = 'such as $auth.sub'): Error {
    const { parameters } = this.#subject;
    if (parameters !== undefined && text.startsWith(`${ROOM_CLAIM}.`)) {
      const known = parameters.length === 0 ? 'has no parameters' : `has ${parameters.join(', ')}`;
      return this.reader.error(`"${text.slice(0, 60)}": the name of the room ${known}`, start);
    }
    return this.reader.error(`expected $auth. and the name of a claim ${more}, found "${text.slice(0, 60)}"`, start);
  }
}

/** Makes the rule of one comparison; a relation that is compared stands for the keys of its records. */
function makeTargetRule(
  { relations, path }: RuleTarget,
  operator: QueryOperator,
  operands: readonly RuleOperand[],
  limits: FilterLimits,
): Rule {
  const [first] = operands;
  if (path === undefined && first !== undefined && !('claim' in first) && isNullTest(operator, first))
    return { type: 'filter', filter: makePresence(relations, operator, first) };
  const item = makeFieldRule(path ?? keyPath(relations), operator, operands, limits);
  return relations.length === 0 ? item : { type: 'related', relations, item };
}

function keyPath(relations: readonly RelationPlan[]): FieldPath {
  const { primaryKey } = (relations.at(-1) as RelationPlan).target;
  const fields: readonly [FieldPlan] = [primaryKey];
  return { name: primaryKey.name, fields };
}

/**
 * Makes a filter now if all operands are literals; with claims, a sample of the right type checks that it could be one.
 */
function makeFieldRule(
  path: FieldPath,
  operator: QueryOperator,
  operands: readonly RuleOperand[],
  limits: FilterLimits,
): Extract<Rule, { type: 'field' | 'filter' }> {
  const samples = operands.map((operand) => ('claim' in operand ? sampleOf(path) : operand));
  const filter = makeCondition(path, operator, samples as [Operand, ...Operand[]], limits);
  if (claimsOf(operands).length === 0) return { type: 'filter', filter };
  return { type: 'field', path, operator, operands, limits };
}

function sampleOf(path: FieldPath): Operand {
  const type = elementType((path.fields.at(-1) ?? path.fields[0]).type);
  const text =
    type.kind === 'enum'
      ? (type.values[0] ?? '')
      : type.kind === 'scalar' && type.name === 'Boolean'
        ? 'true'
        : type.kind === 'scalar' && type.name === 'Date'
          ? '2000-01-01T00:00:00Z'
          : '0';
  return { text, runs: [text], quoted: true, position: 0 };
}
