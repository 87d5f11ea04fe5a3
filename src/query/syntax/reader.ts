import type { Operand } from './condition.ts';
import { meantOperator, NAMED_OPERATORS, type QueryOperator, SYMBOL_OPERATORS } from './operators.ts';
import { columnOf, makeQueryError, shorten, show } from './problem.ts';

// Browsers send < > " as escapes, so an operator's first character may come as one; `=` may not, since `title=%3D5`
// asks for the title "=5".
const ENCODED_OPERATOR = /===?|!==?|%21==?|%3[CE]%3D|(?:[<>]|%3[CE])=?|=/iy;
const PLAIN_OPERATOR = /===?|!==?|[<>]=?|=/y;
const NAMED_OPERATOR = /=([A-Za-z~]{1,16})=/y;
const NAME = /[^\s=!<>&|()[\],;"%*+]+/y;
/** String in double quotes, with the escapes of JSON. */
export const QUOTED = /"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const ENCODED_VALUE = /[^&|()[\]]*/y;
const ENCODED_ITEM = /[^&|,()[\]]*/y;
const PLAIN_VALUE = /[^&|;,()[\]"]*/y;
const SPACE = ' \t\r\n';
const NAMES = [...NAMED_OPERATORS.keys()].join('|');
const ESCAPED_EQUALS = /%(?:25)*3[Dd]/y;
// `title=sw%3DBo`: client libraries encode the second equals sign of an operator, and proxies do it once more.
const OPERATOR_AS_VALUE = new RegExp(`(?:%(?:25)*3[Dd])?(${NAMES})(?:%(?:25)*3[Dd]|=)`, 'y');

/**
 * Cursor over the text of a filter. The two places where a filter stands differ only here: in a query string values are
 * percent-encoded and an encoded character is always part of a value; in `filter=` (decoded before) values may stand in
 * quotes, spaces around the parts do not matter, and `;` and `,` combine too.
 */
export class QueryReader {
  readonly text: string;
  readonly encoded: boolean;
  readonly #parameter: string;
  position = 0;
  /** Condition or parameter of a query string that is being read; errors have its name. */
  subject: string | undefined;
  #groups = 0;

  constructor(text: string, parameter: string, encoded: boolean) {
    this.text = text;
    this.encoded = encoded;
    this.#parameter = parameter;
  }

  error(message: string, position = this.position): Error {
    const parameter = this.encoded && this.subject ? this.subject.slice(0, 64) : this.#parameter;
    return makeQueryError(parameter, `column ${this.column(position)}: ${message}`);
  }

  column(position: number): number {
    return columnOf(this.text, position);
  }

  /** Describes the text at this position, for "expected …, found …". */
  found(): string {
    return this.atEnd() ? 'the end' : show(this.text.slice(this.position, this.position + 20));
  }

  atEnd(): boolean {
    return this.position >= this.text.length;
  }

  skipSpace(): void {
    if (this.encoded) return;
    while (!this.atEnd() && SPACE.includes(this.peek())) this.position++;
  }

  peek(): string {
    return this.text.charAt(this.position);
  }

  accept(character: string): boolean {
    if (this.text.charAt(this.position) !== character) return false;
    this.position++;
    return true;
  }

  /** Returns the match of a sticky expression at this position; empty when there is none. */
  match(expression: RegExp): string {
    expression.lastIndex = this.position;
    const [match = ''] = expression.exec(this.text) ?? [];
    this.position += match.length;
    return match;
  }

  /** Accepts `!`, which browsers and client libraries may send as an escape. */
  acceptNot(): boolean {
    if (this.accept('!')) return true;
    if (!this.encoded || !this.text.startsWith('%21', this.position)) return false;
    this.position += 3;
    return true;
  }

  /** True while a bracket is open, which a bracket in a value would close. */
  get inGroup(): boolean {
    return this.#groups > 0;
  }

  within<T>(parse: () => T): T {
    this.#groups++;
    const parsed = parse();
    this.#groups--;
    return parsed;
  }

  /** Reads the name of a field or a parameter; empty when there is none. */
  readName(): string {
    return this.match(NAME);
  }

  readOperator(name: string): QueryOperator {
    this.skipSpace();
    const start = this.position;
    const named = this.match(NAMED_OPERATOR);
    if (named !== '') {
      const operator = NAMED_OPERATORS.get(named.slice(1, -1));
      if (operator !== undefined) return operator;
      const meant = meantOperator(named.slice(1, -1));
      const hint =
        meant === undefined ? (this.encoded ? 'in a value = is written %3D' : 'put the value in quotes') : meant;
      throw this.error(`no operator ${show(named)}; ${hint}`, start);
    }
    if (!this.encoded && this.peek() === '[') {
      throw this.error(`here an operator is between equals signs, as in ${name}=gt=10`, start);
    }
    const symbol = this.match(this.encoded ? ENCODED_OPERATOR : PLAIN_OPERATOR);
    const plain = symbol.includes('%') ? decodeURIComponent(symbol) : symbol;
    const operator = SYMBOL_OPERATORS.get(plain);
    if (operator === undefined) {
      const found = this.found();
      const isEscaped = this.encoded && this.match(ESCAPED_EQUALS) !== '';
      const advice = isEscaped ? `; an operator that is percent-encoded must be in brackets, as in ${name}[eq]=` : '';
      throw this.error(`expected an operator such as == after "${name}", found ${found}${advice}`, start);
    }
    if (this.encoded && symbol === '=') this.#refuseOperatorAsValue(name);
    return operator;
  }

  /**
   * Refuses `title=sw%3DBo`, which would find nothing where `title=sw=Bo` was meant: the client has to say which one it
   * means.
   */
  #refuseOperatorAsValue(name: string): void {
    OPERATOR_AS_VALUE.lastIndex = this.position;
    const [written, operator = ''] = OPERATOR_AS_VALUE.exec(this.text) ?? [];
    if (written === undefined) return;
    const start = this.position;
    const text = this.decode(this.match(ENCODED_VALUE), start);
    const rest = shorten(this.decode(this.text.slice(start + written.length, this.position), start));
    throw this.error(
      `${show(text)} looks like an operator whose = was percent-encoded; write ${name}[${operator}]=${rest}, ` +
        `or for this text ${name}[eq]=${shorten(text)} or ${name}===${shorten(text)}`,
      start,
    );
  }

  /** Reads a list of values: `a,b` in a query string, `(a,b)` in both. Throws at the first value beyond the maximum. */
  readList(maxItems: number): [Operand, ...Operand[]] {
    this.skipSpace();
    const inParentheses = this.accept('(');
    if (!inParentheses && !this.encoded) {
      throw this.error(`expected ( since a list is written (a,b) in filter=, found ${this.found()}`);
    }
    const operands: [Operand, ...Operand[]] = [this.#readOperand(true)];
    while (this.accept(',')) {
      if (operands.length >= maxItems) throw this.error(`a list has at most ${maxItems} values`);
      operands.push(this.#readOperand(true));
    }
    if (inParentheses && !this.accept(')')) throw this.error(`expected , or ) in the list, found ${this.found()}`);
    return operands;
  }

  readValue(): Operand {
    return this.#readOperand(false);
  }

  #readOperand(inList: boolean): Operand {
    this.skipSpace();
    const operand = !this.encoded && this.peek() === '"' ? this.#readQuoted() : this.#readPlain(inList);
    this.skipSpace();
    const next = this.peek();
    if (next === '(' || next === '[') {
      if (!this.encoded) throw this.error('put a value with brackets in quotes');
      const other = this.inGroup || inList ? '' : `, or as it is after ${this.subject}[eq]=`;
      throw this.error(`in a value ${next} is written ${next === '(' ? '%28' : '%5B'}${other}`);
    }
    return operand;
  }

  #readPlain(inList: boolean): Operand {
    const position = this.position;
    const written = this.match(this.encoded ? (inList ? ENCODED_ITEM : ENCODED_VALUE) : PLAIN_VALUE);
    if (!this.encoded) {
      if (this.peek() === '"') throw this.error('quotes must enclose the whole value; inside them " is written \\"');
      let end = written.length;
      while (end > 0 && SPACE.includes(written.charAt(end - 1))) end--;
      const text = written.slice(0, end);
      return { text, runs: text.split('*'), quoted: false, position };
    }
    if (!written.includes('*')) {
      const text = this.decode(written, position);
      return { text, runs: [text], quoted: false, position };
    }
    // Decoded after the split, so that %2A is a literal star and * is a wildcard.
    const runs = written.split('*').map((run) => this.decode(run, position));
    return { text: runs.join('*'), runs, quoted: false, position };
  }

  #readQuoted(): Operand {
    const position = this.position;
    const written = this.match(QUOTED);
    if (written === '') throw this.error('expected a closing "');
    const text = parseQuoted(written);
    if (text === undefined) throw this.error('expected a string with the escapes of JSON', position);
    this.checkCharacters(text, position);
    return { text, runs: [text], quoted: true, position };
  }

  /** Decodes once: + is a space and %2B a plus, as forms and URLSearchParams write it. */
  decode(written: string, position: number): string {
    if (!/[%+]/.test(written)) return written;
    let text: string;
    try {
      text = decodeURIComponent(written.replaceAll('+', ' '));
    } catch {
      const broken = /%(?![0-9A-Fa-f]{2})/.exec(written);
      if (broken === null) throw this.error('the escapes are not UTF-8', position);
      throw this.error('% is followed by two hexadecimal digits; the character itself is %25', position + broken.index);
    }
    this.checkCharacters(text, position);
    return text;
  }

  checkCharacters(text: string, position: number): void {
    if (text.includes('\0')) throw this.error('a value holds no NUL character', position);
    if (/\p{Surrogate}/u.test(text)) throw this.error('the text is not well-formed Unicode', position);
  }
}

/** Parses a string in quotes; undefined when an escape is wrong. */
export function parseQuoted(written: string): string | undefined {
  try {
    // The escapes are JSON's, so that clients can quote with JSON.stringify.
    const text: unknown = JSON.parse(written.replaceAll('\n', '\\n').replaceAll('\t', '\\t'));
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}
