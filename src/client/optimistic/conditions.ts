import { compareText } from '../live/order.ts';
import { PARAMETERS } from '../query.ts';

type Json = Readonly<Record<string, unknown>>;
/** Undefined where only the server can tell. */
type Answer = boolean | undefined;
export type Condition = (record: Json) => Answer;

/** Value of a condition; `runs` are what stands between the stars that mean any text. */
interface Operand {
  readonly text: string;
  readonly runs?: readonly string[];
  /** True for a value that is literal: never null, never typed. */
  readonly isQuoted?: boolean;
}
type Compare = (value: unknown, operands: readonly Operand[]) => Answer;

const UNKNOWN: Condition = () => undefined;
const NAMES = 'eq|ne|gt|ge|lt|le|in|out|ct|sw|ew|ft|gele|gtlt|gelt|gtle';
const OPERATOR = new RegExp(
  `(?:\\[|%5B)(${NAMES}|={1,3}|!={1,2}|>=?|<=?)(?:\\]|%5D)=|(===|!==|==|!=)|=(${NAMES})=|((?:>|%3E|<|%3C)=?)|=`,
  'iy',
);
const SYMBOLS: Readonly<Record<string, string>> = {
  '=': 'eq',
  '==': 'eq',
  '!=': 'ne',
  '>': 'gt',
  '>=': 'ge',
  '<': 'lt',
  '<=': 'le',
};

const not = (answer: Answer): Answer => (answer === undefined ? undefined : !answer);

function all(answers: readonly Answer[]): Answer {
  if (answers.includes(false)) return false;
  return answers.includes(undefined) ? undefined : true;
}

const any = (answers: readonly Answer[]): Answer => not(all(answers.map(not)));

/** Returns the order of a value and the text of a condition; undefined where it depends on the type of the field. */
function orderOf(value: unknown, text: string): number | undefined {
  if (typeof value === 'number') {
    const number = text.trim() === '' ? Number.NaN : Number(text);
    const isExact = Number.isSafeInteger(number) || !Number.isInteger(number);
    return Number.isNaN(number) || !isExact ? undefined : Math.sign(value - number);
  }
  if (typeof value === 'boolean') return text === String(value) ? 0 : undefined;
  if (typeof value !== 'string') return undefined;
  const order = Math.sign(compareText(value, text));
  // The text of a date or a Long may be that of a string, too: then both have to agree.
  if (/^\d{4}-\d\d-\d\dT/.test(value)) {
    const difference = Math.sign(Date.parse(value) - Date.parse(text));
    return difference === order ? order : undefined;
  }
  if (/^-?\d{16,}$/.test(value)) return text === value ? 0 : undefined;
  return order;
}

function equals(value: unknown, { text, runs = [text], isQuoted = false }: Operand): Answer {
  if (!isQuoted && text === 'null') return value === null;
  if (!isQuoted && /^(?:string|number|boolean|date):/.test(text)) return undefined;
  if (value === null) return false;
  if (runs.length === 1) {
    const order = orderOf(value, text);
    return order === undefined ? (typeof value === 'boolean' ? false : undefined) : order === 0;
  }
  if (typeof value !== 'string') return undefined;
  const pattern = runs.map((run) => run.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('[^]*');
  return new RegExp(`^${pattern}$`).test(value);
}

const ordered =
  (fits: (order: number) => boolean): Compare =>
  (value, [operand]) => {
    if (value === null) return false;
    const order = orderOf(value, operand?.text ?? '');
    return order === undefined ? undefined : fits(order);
  };

const textual =
  (fits: (value: string, text: string) => boolean): Compare =>
  (value, [operand]) => {
    if (value === null) return false;
    return typeof value === 'string' ? fits(value, operand?.text ?? '') : undefined;
  };

const range =
  (low: Compare, high: Compare): Compare =>
  (value, [from, to, ...others]) =>
    from === undefined || to === undefined || others.length > 0
      ? undefined
      : all([low(value, [from]), high(value, [to])]);

const gt = ordered((order) => order > 0);
const ge = ordered((order) => order >= 0);
const lt = ordered((order) => order < 0);
const le = ordered((order) => order <= 0);
const oneOf: Compare = (value, operands) => any(operands.map((operand) => equals(value, operand)));
const literally: Compare = (value, [operand]) => equals(value, { text: operand?.text ?? '', isQuoted: true });

/** Comparisons that are not negated. */
const COMPARISONS: Readonly<Record<string, Compare>> = {
  eq: oneOf,
  in: oneOf,
  '===': literally,
  gt,
  ge,
  lt,
  le,
  ct: textual((value, text) => value.includes(text)),
  sw: textual((value, text) => value.startsWith(text)),
  ew: textual((value, text) => value.endsWith(text)),
  gele: range(ge, le),
  gtlt: range(gt, lt),
  gelt: range(ge, lt),
  gtle: range(gt, le),
};
const NEGATED: Readonly<Record<string, string>> = { ne: 'eq', out: 'in', '!==': '===' };

function makeCondition(name: string, operator: string, operands: readonly Operand[]): Condition {
  const positive = NEGATED[operator];
  if (positive !== undefined) {
    const condition = makeCondition(name, positive, operands);
    return (record) => not(condition(record));
  }
  const compare = COMPARISONS[operator];
  // A dot may lead to a record of another table.
  if (compare === undefined || name.includes('.')) return UNKNOWN;
  return (record) => {
    const value = record[name];
    if (!Array.isArray(value)) return typeof value === 'object' && value !== null ? undefined : test(value);
    // A list that is null is asked for by this word, and elements meet everything else.
    if (operands.some(({ text, isQuoted }) => text === 'null' && !isQuoted)) return undefined;
    const one = operator === 'ct' ? literally : compare;
    return any(value.filter((item) => item !== null).map((item) => one(item, operands)));
  };
  function test(value: unknown): Answer {
    return value === undefined ? undefined : compare?.(value, operands);
  }
}

/** Parser of the query language (docs/reference/api/queries.md). Throws for what it does not know. */
class Parser {
  readonly #text: string;
  /** True in a query string, which is percent-encoded; false in the value of `filter=`. */
  readonly #isEncoded: boolean;
  #at = 0;
  #depth = 0;

  constructor(text: string, isEncoded: boolean) {
    this.#text = text;
    this.#isEncoded = isEncoded;
  }

  parse(): Condition {
    const condition = this.#alternatives();
    if (this.#at < this.#text.length) throw new Error('unexpected');
    return condition;
  }

  #alternatives(): Condition {
    const items = [this.#conjunction()];
    while (this.#accept(this.#isEncoded ? /\|/y : /\s*[|,]\s*/y)) items.push(this.#conjunction());
    return items.length === 1 ? (items[0] as Condition) : (record) => any(items.map((item) => item(record)));
  }

  #conjunction(): Condition {
    const items = [this.#term()];
    while (this.#accept(this.#isEncoded ? /&/y : /\s*[&;]\s*/y)) items.push(this.#term());
    return items.length === 1 ? (items[0] as Condition) : (record) => all(items.map((item) => item(record)));
  }

  #term(): Condition {
    if (this.#accept(/\s*(?:!|%21)/iy)) {
      const term = this.#term();
      return (record) => not(term(record));
    }
    const open = this.#accept(/\s*[([]/y);
    if (open === undefined) return this.#condition();
    this.#depth++;
    const group = this.#alternatives();
    this.#depth--;
    this.#expect(open[0].trim() === '(' ? /\s*\)/y : /\s*\]/y);
    return group;
  }

  #condition(): Condition {
    const [name] = this.#expect(/[\w.$-]+/y);
    const [, bracketed, symbol, word, order] = this.#expect(OPERATOR);
    const found = (bracketed ?? symbol ?? word ?? order ?? 'eq').toLowerCase().replace('%3e', '>').replace('%3c', '<');
    const operator = SYMBOLS[found] ?? found;
    const isList = /^(?:in|out|g[et]l[et])$/.test(operator);
    const operands = isList ? this.#list(bracketed !== undefined) : [this.#value(bracketed !== undefined)];
    return makeCondition(name, operator, operands);
  }

  #value(isBracketed: boolean): Operand {
    if (!this.#isEncoded) return this.#filterValue();
    const [raw] = this.#expect(isBracketed && this.#depth === 0 ? /[^&|]*/y : /[^&|()[\]]*/y);
    return isBracketed ? { text: decode(raw) } : plain(raw, decode);
  }

  #filterValue(): Operand {
    const quoted = this.#accept(/\s*("(?:[^"\\]|\\.)*")/y);
    if (quoted !== undefined) return { text: JSON.parse(quoted[1] as string) as string, isQuoted: true };
    const [raw] = this.#expect(/[^&|;,()[\]"]*/y);
    return plain(raw.trim(), (text) => text);
  }

  #list(isBracketed: boolean): readonly Operand[] {
    if (!this.#isEncoded) {
      this.#expect(/\s*\(/y);
      const items = [this.#filterValue()];
      while (this.#accept(/\s*,\s*/y)) items.push(this.#filterValue());
      this.#expect(/\s*\)/y);
      return items;
    }
    if (isBracketed) {
      const { text } = this.#value(true);
      const items =
        text === ''
          ? []
          : [...text.matchAll(/("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)/g)].slice(0, text.endsWith(',') ? undefined : -1);
      return items.map(([, item = '']) =>
        item.startsWith('"') ? { text: JSON.parse(item) as string, isQuoted: true } : { text: item },
      );
    }
    const open = this.#accept(/\(/y);
    const [raw] = this.#expect(/[^&|()[\]]*/y);
    if (open !== undefined) this.#expect(/\)/y);
    return raw.split(',').map((item) => ({ text: decode(item) }));
  }

  #accept(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found;
  }

  #expect(pattern: RegExp): RegExpExecArray {
    const found = this.#accept(pattern);
    if (found === undefined) throw new Error('unexpected');
    return found;
  }
}

const decode = (raw: string) => decodeURIComponent(raw.replaceAll('+', ' '));

function plain(raw: string, read: (text: string) => string): Operand {
  return { text: read(raw), runs: raw.split('*').map(read) };
}

/** Splits a search part into its parameters and the conditions between them. */
function splitSearch(search: string): {
  readonly conditions: string;
  readonly parameters: ReadonlyMap<string, string>;
} {
  const parameters = new Map<string, string>();
  const conditions: string[] = [];
  let depth = 0;
  for (const part of search.split('&')) {
    const name = part.slice(0, part.indexOf('='));
    if (depth === 0 && PARAMETERS.has(name)) parameters.set(name, decode(part.slice(name.length + 1)));
    else {
      depth += part.split(/[([]/).length - part.split(/[)\]]/).length;
      if (part !== '') conditions.push(part);
    }
  }
  return { conditions: conditions.join('&'), parameters };
}

/** Makes the condition of a query, which gives undefined for records of which only the server knows whether they match. */
export function compileConditions(search: string): Condition {
  try {
    const { conditions, parameters } = splitSearch(search);
    const filter = parameters.get('filter');
    const parts = [
      ...(conditions === '' ? [] : [new Parser(conditions, true).parse()]),
      ...(filter === undefined ? [] : [new Parser(filter, false).parse()]),
    ];
    return (record) => all(parts.map((part) => part(record)));
  } catch {
    return UNKNOWN;
  }
}
