import { suggest } from '../../config/files/suggest.ts';
import { type Expression, ExpressionError, type Operator } from './expression.ts';
import { FUNCTIONS, type FunctionPlan } from './functions.ts';
import {
  isNumber,
  KIND_NAMES,
  type Kind,
  NUMBERS,
  numberOrNull,
  PRINTABLE,
  textOrNull,
  unify,
  type Value,
} from './kinds.ts';

type Evaluate = (values: readonly Value[]) => Value;

interface TypedRun {
  readonly kind: Kind;
  readonly run: Evaluate;
}

export interface CompiledExpression extends TypedRun {
  /** Names of the fields whose values `run` expects, in this order. */
  readonly uses: readonly string[];
}

/** Returns the kind of the field with this name. Throws ExpressionError when the field is unknown or unusable here. */
export type FindKind = (name: string, at: number) => Kind;

export interface ExpressionOptions {
  /**
   * Result of `!`, `&&` and `||` for null: `false` counts it as false, `unknown` gives null unless the other side decides, as
   * in SQL.
   */
  readonly nulls: 'false' | 'unknown';
}

/**
 * Checks the kinds of an expression and compiles it to a function that never throws. The language has no loops, so that
 * a run takes at most a step for each character of the expression. Throws ExpressionError.
 */
export function compileExpression(
  expression: Expression,
  findKind: FindKind,
  { nulls }: ExpressionOptions = { nulls: 'false' },
): CompiledExpression {
  const compiler = new Compiler(findKind, nulls === 'unknown' ? UNKNOWN_LOGIC : FALSE_LOGIC);
  const { kind, run } = compiler.compile(expression);
  return { kind, run, uses: compiler.uses };
}

/** Treats null as false, as conditions do. */
const isTrue = (value: Value) => value === true;

interface Logic {
  not(item: Evaluate): Evaluate;
  and(a: Evaluate, b: Evaluate): Evaluate;
  or(a: Evaluate, b: Evaluate): Evaluate;
}

const FALSE_LOGIC: Logic = {
  not: (item) => (values) => !isTrue(item(values)),
  and: (a, b) => (values) => isTrue(a(values)) && isTrue(b(values)),
  or: (a, b) => (values) => isTrue(a(values)) || isTrue(b(values)),
};

const UNKNOWN_LOGIC: Logic = {
  not: (item) => strict([item], ([value]) => value !== true),
  and: (a, b) => (values) => decide(false, [a, b], values),
  or: (a, b) => (values) => decide(true, [a, b], values),
};

/** Returns `deciding` when one side has that value, null when one of them is unknown, else the other value. */
function decide(deciding: boolean, [a, b]: readonly [Evaluate, Evaluate], values: readonly Value[]): Value {
  const left = a(values);
  if (left === deciding) return deciding;
  const right = b(values);
  if (right === deciding) return deciding;
  return left === null || right === null ? null : !deciding;
}

class Compiler {
  readonly uses: string[] = [];
  readonly #findKind: FindKind;
  readonly #logic: Logic;

  constructor(findKind: FindKind, logic: Logic) {
    this.#findKind = findKind;
    this.#logic = logic;
  }

  compile(expression: Expression): TypedRun {
    switch (expression.type) {
      case 'literal':
        return literal(expression.value);
      case 'field':
        return this.#field(expression.name, expression.at);
      case 'unary':
        return this.#unary(expression);
      case 'binary':
        return this.#binary(expression);
      case 'choice':
        return this.#choice(expression);
      case 'template': {
        const parts = expression.parts.map((part) => this.#expect(part, PRINTABLE, 'a part of a template'));
        return { kind: 'text', run: joinTexts(parts.map(({ run }) => run)) };
      }
      case 'call':
        return this.#call(expression);
    }
  }

  #field(name: string, at: number): TypedRun {
    const kind = this.#findKind(name, at);
    let index = this.uses.indexOf(name);
    if (index < 0) index = this.uses.push(name) - 1;
    return { kind, run: (values) => values[index] ?? null };
  }

  #expect(expression: Expression, kinds: readonly Kind[], what: string): TypedRun {
    const compiled = this.compile(expression);
    if (kinds.includes(compiled.kind)) return compiled;
    throw new ExpressionError(expression.at, `${what} is ${KIND_NAMES[compiled.kind]}; expected ${nameAll(kinds)}`);
  }

  #unary({ operator, item }: Expression & { type: 'unary' }): TypedRun {
    if (operator === '!') {
      const { run } = this.#expect(item, CONDITION, 'the part after !');
      return { kind: 'boolean', run: this.#logic.not(run) };
    }
    const { kind, run } = this.#expect(item, NUMBERS, 'what follows -');
    return { kind, run: strict([run], ([value]) => numberOrNull(-(value as number), kind)) };
  }

  #binary({ operator, left, right, at }: Expression & { type: 'binary' }): TypedRun {
    if (operator === '&&' || operator === '||') {
      const a = this.#expect(left, CONDITION, `the part before ${operator}`).run;
      const b = this.#expect(right, CONDITION, `the part after ${operator}`).run;
      return { kind: 'boolean', run: operator === '&&' ? this.#logic.and(a, b) : this.#logic.or(a, b) };
    }
    const sides = [this.compile(left), this.compile(right)] as const;
    return makeBinary(operator, sides, at);
  }

  #choice({ test, yes, no, at }: Expression & { type: 'choice' }): TypedRun {
    const condition = this.#expect(test, CONDITION, 'the part before ?').run;
    const [a, b] = [this.compile(yes), this.compile(no)];
    const kind = unify(a.kind, b.kind);
    if (kind === undefined) throw differ('?:', [a, b], at);
    return { kind, run: (values) => (isTrue(condition(values)) ? a.run(values) : b.run(values)) };
  }

  #call({ name, items, at }: Expression & { type: 'call' }): TypedRun {
    const plan = FUNCTIONS.get(name);
    if (plan === undefined) {
      const hint = suggest(name, FUNCTIONS.keys()) ?? `one of ${[...FUNCTIONS.keys()].join(', ')}`;
      throw new ExpressionError(at, `there is no function "${name}"`, hint);
    }
    if (items.length < plan.minArguments || items.length > plan.maxArguments) {
      throw new ExpressionError(at, `${name} cannot take ${items.length} values`, `write ${plan.usage}`);
    }
    const args = items.map((item, index) => {
      const accepts = plan.accepts[Math.min(index, plan.accepts.length - 1)] ?? [];
      return this.#expect(item, accepts, `a value of ${name}`);
    });
    const kind = plan.resultKind(args.map((arg) => arg.kind));
    if (kind === undefined) throw new ExpressionError(at, `the values of ${name} are of different kinds`);
    return { kind, run: callOf(plan, args) };
  }
}

function nameAll(kinds: readonly Kind[]): string {
  const named = kinds.filter((kind) => kind !== 'null' && !(kind === 'int' && kinds.includes('float')));
  return [...new Set(named.map((kind) => KIND_NAMES[kind]))].join(', ');
}

const CONDITION: readonly Kind[] = ['boolean', 'null'];

function callOf(plan: FunctionPlan, args: readonly TypedRun[]): Evaluate {
  const runs = args.map(({ run }) => run);
  if (plan.acceptsNull) return (values) => plan.run(runs.map((run) => run(values)));
  return strict(runs, plan.run);
}

function literal(value: string | number | boolean | null): TypedRun {
  const run = () => value;
  if (value === null) return { kind: 'null', run };
  if (typeof value === 'string') return { kind: 'text', run };
  if (typeof value === 'boolean') return { kind: 'boolean', run };
  return { kind: Number.isSafeInteger(value) ? 'int' : 'float', run };
}

/** Wraps a function so that a null argument makes the result null. */
function strict(runs: readonly Evaluate[], run: (values: readonly Value[]) => Value): Evaluate {
  return (values) => {
    const items: Value[] = [];
    for (const item of runs) {
      const value = item(values);
      if (value === null) return null;
      items.push(value);
    }
    return run(items);
  };
}

function joinTexts(runs: readonly Evaluate[]): Evaluate {
  return strict(runs, (parts) => textOrNull(parts.join('')));
}

type Sides = readonly [TypedRun, TypedRun];

function makeBinary(operator: Exclude<Operator, '&&' | '||'>, sides: Sides, at: number): TypedRun {
  const [left, right] = sides;
  const both = unify(left.kind, right.kind);
  const runs = [left.run, right.run];
  switch (operator) {
    case '??':
      if (both === undefined) throw differ(operator, sides, at);
      return { kind: both, run: (values) => left.run(values) ?? right.run(values) };
    case '==':
    case '!=': {
      if (both === undefined || both === 'list' || both === 'texts') throw differ(operator, sides, at);
      const isEqual: Evaluate = (values) => left.run(values) === right.run(values);
      return { kind: 'boolean', run: operator === '==' ? isEqual : (values) => !isEqual(values) };
    }
    case '+':
      if ([left.kind, right.kind].includes('text') && sides.every(({ kind }) => PRINTABLE.includes(kind))) {
        return { kind: 'text', run: joinTexts(runs) };
      }
      return arithmetic(operator, sides, at);
    case '-':
    case '*':
    case '/':
    case '%':
      return arithmetic(operator, sides, at);
    default:
      return comparison(operator, sides, at);
  }
}

const CALCULATE = {
  '+': (a: number, b: number) => a + b,
  '-': (a: number, b: number) => a - b,
  '*': (a: number, b: number) => a * b,
  '/': (a: number, b: number) => a / b,
  '%': (a: number, b: number) => a % b,
} as const;

function arithmetic(operator: keyof typeof CALCULATE, sides: Sides, at: number): TypedRun {
  const both = unify(sides[0].kind, sides[1].kind);
  if (both === undefined || !NUMBERS.includes(both)) throw differ(operator, sides, at);
  const kind = operator === '/' || both === 'null' ? 'float' : both;
  const calculate = CALCULATE[operator];
  const run = ([a, b]: readonly Value[]) => numberOrNull(calculate(a as number, b as number), kind);
  return { kind, run: strict([sides[0].run, sides[1].run], run) };
}

const COMPARE = {
  '<': (a: Value, b: Value) => (a as number) < (b as number),
  '<=': (a: Value, b: Value) => (a as number) <= (b as number),
  '>': (a: Value, b: Value) => (a as number) > (b as number),
  '>=': (a: Value, b: Value) => (a as number) >= (b as number),
} as const;

function comparison(operator: keyof typeof COMPARE, sides: Sides, at: number): TypedRun {
  const both = unify(sides[0].kind, sides[1].kind);
  if (both === undefined || !(isNumber(both) || both === 'date' || both === 'null')) throw differ(operator, sides, at);
  const compare = COMPARE[operator];
  const run = ([a, b]: readonly Value[]) =>
    both === 'date' ? compare(orderOf(a as string, b as string), 0) : compare(a as Value, b as Value);
  return { kind: 'boolean', run: strict([sides[0].run, sides[1].run], run) };
}

/** Characters of a date with a year of four digits: the order of such strings is the order in time. */
const DATE_CHARS = 24;

/** Compares dates by their times where a year is written with a sign. */
function orderOf(a: string, b: string): number {
  if (a.length !== DATE_CHARS || b.length !== DATE_CHARS) return Date.parse(a) - Date.parse(b);
  return a < b ? -1 : a > b ? 1 : 0;
}

function differ(operator: string, [left, right]: Sides, at: number): ExpressionError {
  const message = `${operator} does not work on ${KIND_NAMES[left.kind]} and ${KIND_NAMES[right.kind]}`;
  return new ExpressionError(at, message, hintOf(left.kind, right.kind));
}

function hintOf(...kinds: readonly Kind[]): string | undefined {
  if (!kinds.includes('text')) return undefined;
  if (kinds.includes('date')) return "make the string a Date: date('2025-01-31')";
  return kinds.every((kind) => kind === 'text')
    ? 'strings are joined with + and are only equal (==) or not (!=)'
    : undefined;
}
