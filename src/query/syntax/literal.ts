import { suggest } from '../../config/files/suggest.ts';
import { parseDate } from '../../schema/date.ts';
import { readFloat, vanishes } from '../../schema/float.ts';
import type { FieldType, ScalarName } from '../../schema/plan.ts';
import type { Scalar } from './ast.ts';
import { show } from './problem.ts';

/** Returns the type of a list's elements, however the lists nest; any other type is returned as it is. */
export function elementType(type: FieldType): Exclude<FieldType, { kind: 'list' }> {
  let inner = type;
  while (inner.kind === 'list') inner = inner.of;
  return inner;
}

/** Types that have literals: all but lists, objects and JSON. */
export type LiteralType =
  | { readonly kind: 'scalar'; readonly name: Exclude<ScalarName, 'JSON'> }
  | Extract<FieldType, { kind: 'enum' }>;

const INTEGER = /^-?(?:0|[1-9]\d{0,18})$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const LONG_LIMIT = 2n ** 63n;

function parseInteger(text: string): number | undefined {
  if (!INTEGER.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value + 0 : undefined;
}

function parseLong(text: string): number | bigint | undefined {
  if (!INTEGER.test(text)) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value + 0;
  const exact = BigInt(text);
  return exact >= -LONG_LIMIT && exact < LONG_LIMIT ? exact : undefined;
}

function parseFloatLiteral(text: string): number | undefined {
  if (!NUMBER.test(text)) return undefined;
  const value = readFloat(text);
  return value === undefined ? undefined : value + 0;
}

/** Parses a literal of a type; undefined when the text is not one. Minus zero becomes zero. */
export function parseLiteral(type: LiteralType, text: string): Scalar | undefined {
  if (type.kind === 'enum') return type.values.includes(text) ? text : undefined;
  switch (type.name) {
    case 'ID':
    case 'String':
      return text;
    case 'Int':
      return parseInteger(text);
    case 'Long':
      return parseLong(text);
    case 'Float':
      return parseFloatLiteral(text);
    case 'Boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'Date':
      return parseDate(text);
  }
}

const TYPED: Readonly<Record<Exclude<ScalarName, 'JSON'>, string>> = {
  ID: 'string:',
  String: 'string:',
  Int: 'number:',
  Long: 'number:',
  Float: 'number:',
  Boolean: 'boolean:',
  Date: 'date:',
};

/** Returns the prefix of a typed literal: `string:null` is the word, not the absence. */
export function typedPrefix(type: LiteralType): string {
  return type.kind === 'enum' ? 'string:' : TYPED[type.name];
}

/** Returns whether values of this type have an order that a client can mean: not enums, and not Booleans. */
export function isOrdered(type: FieldType): boolean {
  return type.kind === 'scalar' && type.name !== 'Boolean' && type.name !== 'JSON';
}

/** Formats a type for a sentence: `a String`, `an Int`, `a list of String`. */
export function nameType(type: FieldType): string {
  if (type.kind === 'list') return `a list of ${nameType(type.of).replace(/^an? /, '')}`;
  return `${/^[AEIO]/.test(type.name) ? 'an' : 'a'} ${type.name}`;
}

/** Describes the literal that was expected in place of `text`. */
export function describeMismatch(type: LiteralType, text: string): string {
  if (type.kind === 'enum') {
    const meant = suggest(text, type.values);
    const some = type.values.slice(0, 20).join(', ');
    const values = type.values.length > 20 ? `${some}, …` : some;
    return `expected ${nameType(type)} (${values}), found ${show(text)}${meant === undefined ? '' : `; ${meant}`}`;
  }
  const hint: Partial<Record<ScalarName, string>> = {
    Int: ' (an integer within ±(2^53−1))',
    Long: ' (an integer of at most 64 bits)',
    Float: vanishes(text, Number(text)) ? ' (a number that is not too small)' : ' (a finite number)',
    Boolean: ' (true or false)',
    Date: ' (ISO 8601, such as 2025-01-15T10:30:00Z; in a query string + is written %2B)',
  };
  return `expected ${nameType(type)}${hint[type.name] ?? ''}, found ${show(text)}`;
}
