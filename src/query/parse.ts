import type { Limits } from '../config/config.ts';
import { suggest } from '../config/suggest.ts';
import type { FieldPlan, RelationPlan, TablePlan } from '../schema/plan.ts';
import type { FieldPath, Filter } from './ast.ts';
import { ConditionError, makeCondition, type Operand } from './condition.ts';
import { fieldsByName, relationNamed, visibleFields } from './fields.ts';
import { elementType, nameType } from './literal.ts';
import type { Operator } from './operators.ts';
import { makeQueryError, show } from './problem.ts';
import { Reader } from './reader.ts';

// The parser calls itself once for each level; whatever is configured, the stack holds this many.
const DEEPEST = 200;
const MOST_RELATIONS = 4;

export interface FilterScope {
  readonly table: TablePlan;
  readonly limits: Limits;
  /** Names of query parameters that are no filters. */
  readonly reserved: ReadonlySet<string>;
}

export interface ParsedQuery {
  readonly filter: Filter | undefined;
  /** The reserved parameters that were given, decoded once. */
  readonly parameters: ReadonlyMap<string, string>;
}

interface Budget {
  conditions: number;
  length: number;
}

const NOTHING_RESERVED: ReadonlySet<string> = new Set();

class FilterParser {
  readonly reader: Reader;
  readonly #scope: FilterScope;
  readonly #budget: Budget;
  readonly #and: string;
  readonly #or: string;

  constructor(reader: Reader, scope: FilterScope, budget: Budget) {
    this.reader = reader;
    this.#scope = scope;
    this.#budget = budget;
    this.#and = reader.encoded ? '&' : '&;';
    this.#or = reader.encoded ? '|' : '|,';
  }

  parseOr(depth: number): Filter {
    const items: Filter[] = [];
    do items.push(this.#parseAnd(depth));
    while (this.#acceptOne(this.#or));
    return combine('or', items);
  }

  #parseAnd(depth: number): Filter {
    const items: Filter[] = [];
    do items.push(this.parseTerm(depth));
    while (this.#acceptOne(this.#and));
    return combine('and', items);
  }

  #acceptOne(characters: string): boolean {
    this.reader.skipSpace();
    if (this.reader.atEnd() || !characters.includes(this.reader.peek())) return false;
    this.reader.position++;
    return true;
  }

  parseTerm(depth: number): Filter {
    const { reader } = this;
    reader.skipSpace();
    const start = reader.position;
    if (reader.accept('!')) {
      const item = this.parseTerm(this.#deeper(depth, start));
      return item.type === 'not' ? item.item : { type: 'not', item };
    }
    const round = reader.accept('(');
    if (!round && !reader.accept('[')) return this.parseCondition(reader.readName(), start);
    const filter = this.parseOr(this.#deeper(depth, start));
    reader.skipSpace();
    const closing = round ? ')' : ']';
    if (!reader.accept(closing)) {
      throw reader.error(
        `expected ${closing} for the ${round ? '(' : '['} at column ${reader.column(start)}, found ${reader.found()}`,
      );
    }
    return filter;
  }

  #deeper(depth: number, start: number): number {
    const deepest = Math.min(this.#scope.limits.filterDepth, DEEPEST);
    if (depth >= deepest) throw this.reader.error(`groups and ! nest at most ${deepest} deep`, start);
    return depth + 1;
  }

  parseCondition(name: string, start: number): Filter {
    const { reader } = this;
    const { limits, reserved } = this.#scope;
    if (name === '') throw reader.error(`expected a field, found ${reader.found()}`, start);
    reader.subject = name;
    if (reserved.has(name)) {
      throw reader.error(
        `${name} is a parameter here and stands alone between &; a field of that name is reached with filter=`,
        start,
      );
    }
    this.#budget.conditions++;
    if (this.#budget.conditions > limits.filterConditions) {
      throw reader.error(`a filter has at most ${limits.filterConditions} conditions`, start);
    }
    const { relations, path } = this.#resolve(name, start);
    const operator = reader.readOperator(name);
    const isList = operator.type === 'set' || operator.type === 'range';
    const operands = isList ? reader.readList(limits.filterValues) : ([reader.readValue()] as const);
    this.#budget.length += reader.position - start;
    if (this.#budget.length > limits.filterLength) throw tooLong(reader, start, limits);
    try {
      const filter =
        path === undefined
          ? makePresence(relations, operator, operands[0])
          : makeRelated(relations, makeCondition(path, operator, operands, limits));
      reader.subject = undefined;
      return filter;
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      throw reader.error(error.message, error.position ?? start);
    }
  }

  /** The relations that a name begins with, and the path in the last one's table; no path when it ends there. */
  #resolve(name: string, start: number): { relations: RelationPlan[]; path: FieldPath | undefined } {
    let { table } = this.#scope;
    const relations: RelationPlan[] = [];
    let rest = name;
    let column = start;
    for (;;) {
      const [first = ''] = rest.split('.', 1);
      const relation = relationNamed(table, first);
      if (relation === undefined) return { relations, path: this.#path(rest, table, column) };
      relations.push(relation);
      if (relations.length > MOST_RELATIONS) {
        throw this.reader.error(`a filter follows at most ${MOST_RELATIONS} relations`, start);
      }
      if (first.length === rest.length) return { relations, path: undefined };
      table = relation.target;
      rest = rest.slice(first.length + 1);
      column += first.length + 1;
    }
  }

  #path(name: string, table: TablePlan, start: number): FieldPath {
    const visible = visibleFields(table);
    const [first = '', ...rest] = name.split('.');
    const root = fieldsByName(visible).get(first);
    if (root === undefined) throw this.#unknown(first, visible, start, table);
    const fields: [FieldPlan, ...FieldPlan[]] = [root];
    let column = start + first.length + 1;
    let last = root;
    for (const step of rest) {
      const type = elementType(last.type);
      if (type.kind !== 'object') {
        throw this.reader.error(`${last.name} is ${nameType(type)} and has no field ${show(step)}`, column);
      }
      const next = fieldsByName(type.fields).get(step);
      if (next === undefined) throw this.#unknown(step, type.fields, column, type);
      fields.push(next);
      last = next;
      column += step.length + 1;
    }
    return { name, fields };
  }

  #unknown(
    name: string,
    fields: readonly FieldPlan[],
    start: number,
    where: { readonly name: string; readonly relations?: readonly RelationPlan[] },
  ): Error {
    const { encoded } = this.reader;
    const isRoot = where === this.#scope.table;
    const names = [...fields, ...(where.relations ?? [])].map((field) => field.name);
    const meant = suggest(name, encoded && isRoot ? [...names, ...this.#scope.reserved] : names);
    const what = encoded && isRoot ? 'field or parameter' : 'field';
    const hint = meant === undefined ? '' : `; ${meant}`;
    return this.reader.error(`${where.name} has no ${what} ${show(name)}${hint}`, start);
  }
}

/** `author.name!=Ada` is that no author is called so, as with the elements of a list. */
function makeRelated(relations: readonly RelationPlan[], filter: Filter): Filter {
  if (relations.length === 0) return filter;
  if (filter.type === 'not') return { type: 'not', item: makeRelated(relations, filter.item) };
  return relations.reduceRight<Filter>((item, relation) => ({ type: 'related', relation, item }), filter);
}

/** `author==null`: there is no such record. */
function makePresence(relations: readonly RelationPlan[], operator: Operator, operand: Operand): Filter {
  const last = relations.at(-1) as RelationPlan;
  const isNull = operator.type === 'equal' && !operator.strict && !operand.quoted && operand.text === 'null';
  if (!isNull) {
    const field = visibleFields(last.target).find((it) => it !== last.target.primaryKey) ?? last.target.primaryKey;
    throw new ConditionError(
      `${last.name} stands for records of ${last.target.name}: compare one of their fields, such as ${last.name}.${field.name}, or test it with ==null`,
    );
  }
  let present: Filter = { type: 'related', relation: last, item: undefined };
  present = relations
    .slice(0, -1)
    .reduceRight<Filter>((item, relation) => ({ type: 'related', relation, item }), present);
  return operator.negated ? present : { type: 'not', item: present };
}

function combine(type: 'and' | 'or', items: Filter[]): Filter {
  const [only] = items;
  return items.length === 1 && only !== undefined ? only : { type, items };
}

function tooLong(reader: Reader, position: number, limits: Limits): Error {
  return reader.error(`a filter has at most ${limits.filterLength} characters`, position);
}

function parseFilterText(text: string, scope: FilterScope, budget: Budget): Filter {
  const reader = new Reader(text, 'filter', false);
  budget.length += text.length;
  if (budget.length > scope.limits.filterLength) throw tooLong(reader, 0, scope.limits);
  reader.checkCharacters(text, 0);
  // The whole text is counted already.
  const inner: Budget = { conditions: budget.conditions, length: Number.NEGATIVE_INFINITY };
  const filter = new FilterParser(reader, { ...scope, reserved: NOTHING_RESERVED }, inner).parseOr(0);
  if (!reader.atEnd()) throw reader.error(`expected &, | or the end, found ${reader.found()}`);
  return filter;
}

/** Parses the decoded text of `filter=`. Throws INVALID_QUERY with the column. */
export function parseFilter(text: string, table: TablePlan, limits: Limits): Filter {
  return parseFilterText(text, { table, limits, reserved: NOTHING_RESERVED }, { conditions: 0, length: 0 });
}

/**
 * Parses a query string as it came, still percent-encoded and without the question mark. Everything that is not a
 * reserved parameter is a condition; nothing is ever ignored. `filter` among the parameters is parsed too, and both
 * must hold. Throws INVALID_QUERY with the column.
 */
export function parseQuery(raw: string, scope: FilterScope): ParsedQuery {
  const reader = new Reader(raw, 'query', true);
  const strange = /[^!-~]/.exec(raw);
  if (strange !== null) {
    throw reader.error('spaces and characters beyond ASCII are percent-encoded in a query string', strange.index);
  }
  const budget: Budget = { conditions: 0, length: 0 };
  const parameters = new Map<string, string>();
  const filters = parseTerms(new FilterParser(reader, scope, budget), scope, parameters);
  const text = parameters.get('filter');
  const parts = text === undefined ? filters : [...filters, parseFilterText(text, scope, budget)];
  return { filter: parts.length === 0 ? undefined : combine('and', parts), parameters };
}

/** The conditions of a query string as at most one filter; parameters go into the map. */
function parseTerms(parser: FilterParser, scope: FilterScope, parameters: Map<string, string>): Filter[] {
  const { reader } = parser;
  const alternatives: Filter[] = [];
  let all: Filter[] = [];
  let afterOr = false;
  while (!reader.atEnd() || afterOr) {
    // Clients leave an empty part behind when they join parameters; it says nothing.
    if (!afterOr && reader.accept('&')) continue;
    const start = reader.position;
    const name = reader.readName();
    if (!afterOr && scope.reserved.has(name)) {
      readParameter(reader, name, parameters);
    } else if (name !== '') {
      all.push(parser.parseCondition(name, start));
    } else {
      all.push(parser.parseTerm(0));
    }
    afterOr = reader.accept('|');
    if (afterOr) {
      if (all.length === 0) throw reader.error('expected a condition before |', reader.position - 1);
      alternatives.push(combine('and', all));
      all = [];
    } else if (!reader.atEnd() && !reader.accept('&')) {
      throw unexpected(reader);
    }
  }
  if (alternatives.length === 0) return all;
  return [combine('or', [...alternatives, combine('and', all)])];
}

function unexpected(reader: Reader): Error {
  const closing = reader.peek();
  const hint =
    closing === ')' ? '; in a value ) is written %29' : closing === ']' ? '; in a value ] is written %5D' : '';
  return reader.error(`expected &, | or the end, found ${reader.found()}${hint}`);
}

/** Its value reaches to the next `&`, whatever it holds. */
function readParameter(reader: Reader, name: string, parameters: Map<string, string>): void {
  reader.subject = name;
  if (!reader.accept('=')) throw reader.error(`expected = after the parameter ${name}, found ${reader.found()}`);
  if (parameters.has(name)) throw makeQueryError(name, 'is given twice');
  const start = reader.position;
  const next = reader.text.indexOf('&', start);
  reader.position = next === -1 ? reader.text.length : next;
  parameters.set(name, reader.decode(reader.text.slice(start, reader.position), start));
  reader.subject = undefined;
}
