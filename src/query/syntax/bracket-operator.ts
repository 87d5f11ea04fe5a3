import type { Operand } from './condition.ts';
import { meantOperator, NAMED_OPERATORS, type QueryOperator, SYMBOL_OPERATORS } from './operators.ts';
import { show } from './problem.ts';
import { parseQuoted, QUOTED, type QueryReader } from './reader.ts';

const OPENING = /\[|%5B/iy;
const BRACKETED = /(?:\[|%5B)([^&]{0,32}?)(?:\]|%5D)/iy;
// Client libraries differ in the brackets that they encode, so at the top level none of them ends a value.
const VALUE = /[^&|]*/y;
const VALUE_IN_GROUP = /[^&|()[\]]*/y;

export interface BracketCondition {
  readonly operator: QueryOperator;
  /** Empty for a list without values. */
  readonly operands: readonly Operand[];
}

export interface BracketScope {
  /** Name of the field, as it stands before the brackets. */
  readonly name: string;
  /**
   * Fields of the object or of the records that the name stands for: `address[city]` is an error for `address.city`.
   */
  readonly inner: readonly string[];
  /** Maximum number of values in a list. */
  readonly maxItems: number;
}

/** Returns whether an operator in brackets stands here: `[gt]=`. */
export function atBracket(reader: QueryReader): boolean {
  OPENING.lastIndex = reader.position;
  return reader.encoded && OPENING.test(reader.text);
}

/**
 * Reads the rest of `price[gt]=10`, the spelling for client libraries, which percent-encode their values. The name of
 * the operator and the value are decoded as a whole, and then nothing in the value has a special meaning but `null`
 * and, in lists, the comma and quotes.
 */
export function readBracketCondition(reader: QueryReader, scope: BracketScope): BracketCondition {
  const { name } = scope;
  const start = reader.position;
  const written = reader.match(BRACKETED);
  if (written === '') throw reader.error(`expected ] after the operator, as in ${name}[gt]=10`, start);
  const word = reader.decode(written.replace(/^(?:\[|%5B)|(?:\]|%5D)$/gi, ''), start);
  const operator = NAMED_OPERATORS.get(word) ?? SYMBOL_OPERATORS.get(word);
  if (operator === undefined) throw reader.error(`no operator ${show(`[${word}]`)}; ${hint(word, scope)}`, start);
  if (!reader.accept('=')) {
    throw reader.error(`expected = after ${name}[${word}], found ${reader.found()}`);
  }
  if (reader.peek() === '=') {
    throw reader.error(`one = stands after ${name}[${word}]; a value that begins with = is written %3D`);
  }
  const position = reader.position;
  const text = reader.decode(readValue(reader), position);
  const isList = operator.type === 'set' || operator.type === 'range';
  if (!isList) return { operator, operands: [plain(text, position)] };
  if (text !== '') return { operator, operands: splitList(reader, text, { ...scope, word, position }) };
  if (operator.type === 'set' && !operator.negated) return { operator, operands: [] };
  throw reader.error(`${name}[${word}] has no values; the empty string is written ""`, position);
}

function readValue(reader: QueryReader): string {
  if (!reader.inGroup) return reader.match(VALUE);
  const value = reader.match(VALUE_IN_GROUP);
  const next = reader.peek();
  if (next === '(' || next === '[') {
    throw reader.error(`in a value inside a group ${next} is written ${next === '(' ? '%28' : '%5B'}`);
  }
  return value;
}

function plain(text: string, position: number): Operand {
  return { text, runs: [text], quoted: text !== 'null', position };
}

interface ListScope extends BracketScope {
  readonly word: string;
  readonly position: number;
}

/** Splits `a,"b,c"` after decoding, since client libraries encode the commas that separate too. */
function splitList(reader: QueryReader, text: string, place: ListScope): Operand[] {
  const { name, word, maxItems, position } = place;
  if (text.startsWith('(') && text.endsWith(')')) {
    const example = `${name}[${word}]=a,b`;
    throw reader.error(`a list after brackets is ${example}; a value that begins with ( must be in quotes`, position);
  }
  const operands: Operand[] = [];
  let at = 0;
  do {
    if (operands.length >= maxItems) throw reader.error(`a list has at most ${maxItems} values`, position);
    const item = text[at] === '"' ? quotedAt(reader, text, { at, position }) : undefined;
    const end = item?.end ?? endOf(text, at);
    operands.push(item?.operand ?? plain(text.slice(at, end), position));
    at = end + 1;
  } while (at <= text.length);
  return operands;
}

function endOf(text: string, at: number): number {
  const comma = text.indexOf(',', at);
  return comma === -1 ? text.length : comma;
}

function quotedAt(
  reader: QueryReader,
  text: string,
  { at, position }: { at: number; position: number },
): { operand: Operand; end: number } {
  QUOTED.lastIndex = at;
  const written = QUOTED.exec(text)?.[0];
  const value = written === undefined ? undefined : parseQuoted(written);
  const end = at + (written?.length ?? 0);
  if (value === undefined || (end < text.length && text[end] !== ',')) {
    const found = show(text.slice(at, at + 20));
    throw reader.error(`a value that begins with " is a whole string of JSON, found ${found}`, position);
  }
  reader.checkCharacters(value, position);
  return { operand: { text: value, runs: [value], quoted: true, position }, end };
}

function hint(word: string, { name, inner }: BracketScope): string {
  if (word === '') return `several values are written ${name}[in]=a,b`;
  if (inner.includes(word)) return `a field of ${name} is written ${name}.${word}`;
  return meantOperator(word) ?? `there are ${[...NAMED_OPERATORS.keys()].filter((it) => it !== '~').join(', ')}`;
}
