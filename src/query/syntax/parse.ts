import type { RelationPlan, TablePlan } from '../../schema/plan.ts';
import { nameableFields, nameableRelation, type ReadPolicy } from '../view.ts';
import type { FieldPath, Filter } from './ast.ts';
import { atBracket, type BracketCondition, readBracketCondition } from './bracket-operator.ts';
import { ConditionError, makeCondition, makeEmptySet, type Operand } from './condition.ts';
import type { FilterLimits, QueryOperator } from './operators.ts';
import { resolvePath } from './path.ts';
import { checkEncoded, makeQueryError } from './problem.ts';
import { QueryReader } from './reader.ts';
import { MAX_RELATIONS, makePresence, makeRelated } from './related.ts';
import { innerNames, isSingle, type Target } from './target.ts';
import { TermParser } from './terms.ts';

export interface FilterScope {
  readonly table: TablePlan;
  readonly limits: FilterLimits;
  /** Names of query parameters that are not filters. */
  readonly reserved: ReadonlySet<string>;
  /** Read policy of the caller; undefined when it can read everything. */
  readonly view?: ReadPolicy | undefined;
}

export interface ParsedQuery {
  readonly filter: Filter | undefined;
  /** Reserved parameters in the request, decoded once. */
  readonly parameters: ReadonlyMap<string, string>;
}

interface Budget {
  conditions: number;
  length: number;
}

const NOTHING_RESERVED: ReadonlySet<string> = new Set();

class FilterParser extends TermParser<Filter> {
  readonly #scope: FilterScope;
  readonly #budget: Budget;
  /** Fields whose `[in]` was read: client libraries send an array as one parameter for each value. */
  readonly #lists = new Set<string>();

  constructor(reader: QueryReader, scope: FilterScope, budget: Budget) {
    super(reader, scope.limits);
    this.#scope = scope;
    this.#budget = budget;
  }

  protected combined(term: Filter): Filter {
    return term;
  }

  parseCondition(name: string, start: number): Filter {
    const { reader, limits } = this;
    const { reserved } = this.#scope;
    if (name === '') throw reader.error(`expected a field, found ${reader.found()}`, start);
    reader.subject = name;
    if (reserved.has(name) && !this.isBracketed(name)) {
      throw reader.error(
        `${name} is a parameter here and stands alone between &; a field of that name is reached with filter=`,
        start,
      );
    }
    this.#budget.conditions++;
    if (this.#budget.conditions > limits.filterConditions) {
      throw reader.error(`a filter has at most ${limits.filterConditions} conditions`, start);
    }
    const target = this.#resolve(name, start);
    const { operator, operands } = atBracket(reader) ? this.#readBracket(name, target) : this.#readPlain(name);
    this.#budget.length += reader.position - start;
    if (this.#budget.length > limits.filterLength) throw tooLong(reader, start, limits);
    try {
      const filter = makeFilter(target, operator, { operands, limits });
      reader.subject = undefined;
      return filter;
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      throw reader.error(error.message, error.position ?? start);
    }
  }

  /** Returns whether an operator in brackets follows, which addresses a field that has the name of a parameter. */
  isBracketed(name: string): boolean {
    const { table, view } = this.#scope;
    if (!atBracket(this.reader)) return false;
    this.reader.subject = name;
    if (nameableFields(table, view).some((field) => field.name === name)) return true;
    throw this.reader.error(`${name} is a parameter, which takes no operator; write ${name}=`);
  }

  #readPlain(name: string): BracketCondition {
    const { reader, limits } = this;
    const operator = reader.readOperator(name);
    const isList = operator.type === 'set' || operator.type === 'range';
    return { operator, operands: isList ? reader.readList(limits.filterValues) : [reader.readValue()] };
  }

  #readBracket(name: string, target: Target): BracketCondition {
    const { reader, limits } = this;
    const start = reader.position;
    const condition = readBracketCondition(reader, {
      name,
      inner: innerNames(target, this.#scope.view),
      maxItems: limits.filterValues,
    });
    const { operator } = condition;
    if (operator.type !== 'set' || operator.negated || reader.inGroup || !isSingle(target)) return condition;
    if (this.#lists.has(name)) {
      throw reader.error(`${name}[in] is given twice; several values are one list: ${name}[in]=a,b`, start);
    }
    this.#lists.add(name);
    return condition;
  }

  /** Allows a list of values again, after `|`. */
  forgetLists(): void {
    this.#lists.clear();
  }

  /**
   * Resolves the relations that a name begins with, and the path in the last one's table; no path when it ends there.
   */
  #resolve(name: string, start: number): Target {
    let { table } = this.#scope;
    const relations: RelationPlan[] = [];
    let rest = name;
    let column = start;
    for (;;) {
      const [first = ''] = rest.split('.', 1);
      const relation = nameableRelation(table, first, this.#scope.view);
      if (relation === undefined) return { relations, path: this.#path(rest, table, column) };
      relations.push(relation);
      if (relations.length > MAX_RELATIONS) {
        throw this.reader.error(`a filter follows at most ${MAX_RELATIONS} relations`, start);
      }
      if (first.length === rest.length) return { relations, path: undefined };
      table = relation.target;
      rest = rest.slice(first.length + 1);
      column += first.length + 1;
    }
  }

  #path(name: string, table: TablePlan, start: number): FieldPath {
    const { view, reserved } = this.#scope;
    const isRoot = this.reader.encoded && table === this.#scope.table;
    const scope = isRoot ? { table, view, others: reserved, what: 'field or parameter' } : { table, view };
    return resolvePath(this.reader, name, start, scope);
  }
}

function makeFilter(
  { relations, path }: Target,
  operator: QueryOperator,
  { operands, limits }: { readonly operands: readonly Operand[]; readonly limits: FilterLimits },
): Filter {
  const [first, ...more] = operands;
  if (path === undefined) return makePresence(relations, operator, first);
  return makeRelated(
    relations,
    first === undefined ? makeEmptySet(path) : makeCondition(path, operator, [first, ...more], limits),
  );
}

function tooLong(reader: QueryReader, position: number, limits: FilterLimits): Error {
  return reader.error(`a filter has at most ${limits.filterLength} characters`, position);
}

function parseFilterText(text: string, scope: FilterScope, budget: Budget): Filter {
  const reader = new QueryReader(text, 'filter', false);
  budget.length += text.length;
  if (budget.length > scope.limits.filterLength) throw tooLong(reader, 0, scope.limits);
  reader.checkCharacters(text, 0);
  // The whole text was counted already.
  const inner: Budget = { conditions: budget.conditions, length: Number.NEGATIVE_INFINITY };
  const filter = new FilterParser(reader, { ...scope, reserved: NOTHING_RESERVED }, inner).parseOr(0);
  if (!reader.atEnd()) throw reader.error(`expected &, | or the end, found ${reader.found()}`);
  return filter;
}

/** Parses the decoded text of `filter=`. Throws INVALID_QUERY with the column. */
export function parseFilter(text: string, table: TablePlan, limits: FilterLimits): Filter {
  return parseFilterText(text, { table, limits, reserved: NOTHING_RESERVED }, { conditions: 0, length: 0 });
}

/**
 * Parses a query string as it came, still percent-encoded and without the question mark. Everything that is not a
 * reserved parameter is a condition; nothing is ever ignored. `filter` among the parameters is parsed too, and both
 * must hold. Throws INVALID_QUERY with the column.
 */
export function parseQuery(raw: string, scope: FilterScope): ParsedQuery {
  checkEncoded(raw);
  const reader = new QueryReader(raw, 'query', true);
  const budget: Budget = { conditions: 0, length: 0 };
  const parameters = new Map<string, string>();
  const parser = new FilterParser(reader, scope, budget);
  const filters = parseTerms(parser, scope, parameters);
  const text = parameters.get('filter');
  const parts = text === undefined ? filters : [...filters, parseFilterText(text, scope, budget)];
  return { filter: parts.length === 0 ? undefined : parser.join('and', parts), parameters };
}

/** Parses the conditions of a query string into at most one filter; parameters go into the map. */
function parseTerms(parser: FilterParser, scope: FilterScope, parameters: Map<string, string>): Filter[] {
  const { reader } = parser;
  const alternatives: Filter[] = [];
  let all: Filter[] = [];
  let afterOr = false;
  while (!reader.atEnd() || afterOr) {
    // Clients leave an empty part behind when they join parameters.
    if (!afterOr && reader.accept('&')) continue;
    const start = reader.position;
    const name = reader.readName();
    if (!afterOr && scope.reserved.has(name) && !parser.isBracketed(name)) {
      readParameter(reader, name, parameters);
    } else if (name !== '') {
      all.push(parser.parseCondition(name, start));
    } else {
      all.push(parser.parseTerm(0));
    }
    afterOr = reader.accept('|');
    if (afterOr) {
      if (all.length === 0) throw reader.error('expected a condition before |', reader.position - 1);
      alternatives.push(parser.join('and', all));
      all = [];
      parser.forgetLists();
    } else if (!reader.atEnd() && !reader.accept('&')) {
      throw unexpected(reader);
    }
  }
  if (alternatives.length === 0) return all;
  return [parser.join('or', [...alternatives, parser.join('and', all)])];
}

function unexpected(reader: QueryReader): Error {
  const closing = reader.peek();
  const hint =
    closing === ')' ? '; in a value ) is written %29' : closing === ']' ? '; in a value ] is written %5D' : '';
  return reader.error(`expected &, | or the end, found ${reader.found()}${hint}`);
}

/** Reads a parameter; its value ends at the next `&`, whatever it contains. */
function readParameter(reader: QueryReader, name: string, parameters: Map<string, string>): void {
  reader.subject = name;
  if (!reader.accept('=')) throw reader.error(`expected = after the parameter ${name}, found ${reader.found()}`);
  if (parameters.has(name)) throw makeQueryError(name, 'is given twice');
  const start = reader.position;
  const next = reader.text.indexOf('&', start);
  reader.position = next === -1 ? reader.text.length : next;
  parameters.set(name, reader.decode(reader.text.slice(start, reader.position), start));
  reader.subject = undefined;
}
