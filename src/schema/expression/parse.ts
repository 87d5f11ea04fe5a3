import { vanishes } from '../float.ts';
import { type Expression, ExpressionError, OPERATORS, type Operator } from './expression.ts';

/** Bounds of an expression, since it is evaluated for every record that is written. */
const MAX_EXPRESSION_CHARS = 1000;
const MAX_EXPRESSION_DEPTH = 32;

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const NAME = /[A-Za-z_]\w*/y;
const OPERATOR = /\?\?|\|\||&&|[=!]=|[<>]=?|[-+*/%]/y;
const PLAIN = { "'": /[^'\\]+/y, '"': /[^"\\]+/y, '`': /[^`\\$]+/y } as const;
type Quote = keyof typeof PLAIN;

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ...['\\', "'", '"', '`', '$'].map((it) => [it, it] as const),
]);
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
]);
const PRECEDENCES: ReadonlyMap<string, number> = new Map(
  OPERATORS.flatMap((operators, precedence) => operators.map((operator) => [operator, precedence] as const)),
);

/** Parses an expression without resolving its names. Throws ExpressionError. */
export function parseExpression(text: string): Expression {
  if (text.length > MAX_EXPRESSION_CHARS)
    throw new ExpressionError(0, `an expression has at most ${MAX_EXPRESSION_CHARS} characters`);
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  #position = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Expression {
    const expression = this.#choice();
    if (this.#position < this.#text.length) throw this.#unexpected('an operator or the end');
    return expression;
  }

  #choice(): Expression {
    this.#depth += 1;
    if (this.#depth > MAX_EXPRESSION_DEPTH)
      throw this.#error(`an expression is nested at most ${MAX_EXPRESSION_DEPTH} deep`);
    const test = this.#binary(0);
    const at = this.#position;
    const expression = this.#accept('?') ? this.#branches(test, at) : test;
    this.#depth -= 1;
    return expression;
  }

  #branches(test: Expression, at: number): Expression {
    const yes = this.#choice();
    if (!this.#accept(':')) throw this.#unexpected('":" and what to take otherwise');
    return { type: 'choice', test, yes, no: this.#choice(), at };
  }

  #binary(lowest: number): Expression {
    let left = this.#unary();
    for (;;) {
      const at = this.#position;
      const operator = this.#peek(OPERATOR);
      const precedence = PRECEDENCES.get(operator);
      if (precedence === undefined || precedence < lowest) return left;
      this.#position += operator.length;
      this.#skipSpace();
      left = { type: 'binary', operator: operator as Operator, left, right: this.#binary(precedence + 1), at };
    }
  }

  #unary(): Expression {
    this.#skipSpace();
    const at = this.#position;
    for (const operator of ['-', '!'] as const) {
      if (!this.#accept(operator)) continue;
      this.#depth += 1;
      if (this.#depth > MAX_EXPRESSION_DEPTH)
        throw this.#error(`an expression is nested at most ${MAX_EXPRESSION_DEPTH} deep`);
      const item = this.#unary();
      this.#depth -= 1;
      return { type: 'unary', operator, item, at };
    }
    const value = this.#value();
    this.#skipSpace();
    return value;
  }

  #value(): Expression {
    const at = this.#position;
    if (this.#accept('(')) {
      const inner = this.#choice();
      if (!this.#accept(')')) throw this.#unexpected('")"');
      return inner;
    }
    const first = this.#text.charAt(at);
    if (first === "'" || first === '"') return { type: 'literal', value: this.#quoted(first), at };
    if (first === '`') return this.#template();
    const digits = this.#take(NUMBER);
    if (digits !== '') return { type: 'literal', value: this.#number(digits, at), at };
    const name = this.#take(NAME);
    if (name === '') throw this.#unexpected('a value');
    if (this.#accept('(')) return { type: 'call', name, items: this.#items(), at };
    const constant = CONSTANTS.get(name);
    return constant === undefined ? { type: 'field', name, at } : { type: 'literal', value: constant, at };
  }

  #number(digits: string, at: number): number {
    const value = Number(digits);
    const isWhole = /^\d+$/.test(digits);
    if (!Number.isFinite(value) || (isWhole && !Number.isSafeInteger(value))) {
      throw new ExpressionError(at, `the number ${digits.slice(0, 40)} is too large`);
    }
    if (vanishes(digits, value)) throw new ExpressionError(at, `the number ${digits.slice(0, 40)} is too small`);
    if (/\w/.test(this.#text.charAt(this.#position))) throw this.#unexpected('an operator after the number');
    return value;
  }

  #items(): readonly Expression[] {
    if (this.#accept(')')) return [];
    const items = [this.#choice()];
    while (this.#accept(',')) items.push(this.#choice());
    if (!this.#accept(')')) throw this.#unexpected('"," or ")"');
    return items;
  }

  #quoted(quote: Quote): string {
    const start = this.#position;
    this.#position += 1;
    let text = '';
    while (this.#text.charAt(this.#position) !== quote) text += this.#piece(quote, start);
    this.#position += 1;
    return text;
  }

  /** Reads a run of plain characters, or one escaped character. */
  #piece(quote: Quote, start: number): string {
    const plain = this.#take(PLAIN[quote]);
    if (plain !== '') return plain;
    if (this.#position >= this.#text.length)
      throw new ExpressionError(start, `the text does not end: ${quote} is missing`);
    if (this.#text.charAt(this.#position) !== '\\') {
      this.#position += 1;
      return this.#text.charAt(this.#position - 1);
    }
    const escaped = ESCAPES.get(this.#text.charAt(this.#position + 1));
    if (escaped === undefined) throw this.#error('after \\ comes n, t, $, a quote or another \\');
    this.#position += 2;
    return escaped;
  }

  #template(): Expression {
    const at = this.#position;
    const parts: Expression[] = [];
    this.#position += 1;
    while (this.#text.charAt(this.#position) !== '`') {
      const start = this.#position;
      if (this.#text.startsWith('${', start)) {
        this.#position += 2;
        parts.push(this.#choice());
        // Text follows the bracket, whose spaces count.
        if (this.#text.charAt(this.#position) !== '}') throw this.#unexpected('"}"');
        this.#position += 1;
      } else {
        parts.push({ type: 'literal', value: this.#piece('`', at), at: start });
      }
    }
    this.#position += 1;
    return { type: 'template', parts, at };
  }

  #peek(expression: RegExp): string {
    expression.lastIndex = this.#position;
    return expression.exec(this.#text)?.[0] ?? '';
  }

  #take(expression: RegExp): string {
    const found = this.#peek(expression);
    this.#position += found.length;
    return found;
  }

  #skipSpace(): void {
    this.#take(SPACE);
  }

  #accept(character: string): boolean {
    this.#skipSpace();
    if (this.#text.charAt(this.#position) !== character) return false;
    this.#position += 1;
    this.#skipSpace();
    return true;
  }

  #error(message: string, hint?: string): ExpressionError {
    return new ExpressionError(this.#position, message, hint);
  }

  #unexpected(expected: string): ExpressionError {
    const rest = this.#text.slice(this.#position);
    const found = rest === '' ? 'the end' : `"${[...rest.slice(0, 40)].slice(0, 20).join('')}"`;
    const isEquals = rest.startsWith('=') && !rest.startsWith('==');
    return this.#error(`expected ${expected}, found ${found}`, isEquals ? 'to compare, write ==' : undefined);
  }
}
