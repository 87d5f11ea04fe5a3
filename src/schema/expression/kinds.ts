import type { FieldType } from '../plan.ts';

/** Type of a value within expressions. `texts` is a list of strings, `null` the literal. */
export type Kind = 'text' | 'int' | 'float' | 'boolean' | 'date' | 'texts' | 'list' | 'null';

/** Value within expressions; a date is its ISO 8601 string. */
export type Value = string | number | boolean | null | readonly unknown[];

export const KIND_NAMES: Readonly<Record<Kind, string>> = {
  text: 'a string',
  int: 'an integer',
  float: 'a number',
  boolean: 'a boolean',
  date: 'a Date',
  texts: 'a list',
  list: 'a list',
  null: 'null',
};

const SCALARS: Readonly<Record<string, Kind>> = {
  ID: 'text',
  String: 'text',
  Int: 'int',
  Long: 'int',
  Float: 'float',
  Boolean: 'boolean',
  Date: 'date',
};

/** Returns the kind of a field's values. Undefined for JSON and objects, which expressions cannot read. */
export function kindOf(type: FieldType): Kind | undefined {
  if (type.kind === 'enum') return 'text';
  if (type.kind === 'list') return kindOf(type.of) === 'text' ? 'texts' : 'list';
  return type.kind === 'scalar' ? SCALARS[type.name] : undefined;
}

/** Returns the common kind of two kinds; undefined when they have none. */
export function unify(a: Kind, b: Kind): Kind | undefined {
  if (a === b || b === 'null') return a;
  if (a === 'null') return b;
  return isNumber(a) && isNumber(b) ? 'float' : undefined;
}

export function isNumber(kind: Kind): boolean {
  return kind === 'int' || kind === 'float';
}

/** Kinds that can be converted to text. */
export const PRINTABLE: readonly Kind[] = ['text', 'int', 'float', 'boolean', 'date', 'null'];
export const NUMBERS: readonly Kind[] = ['int', 'float', 'null'];

/** A longer text becomes null: concatenated fields must not exhaust the memory. */
const MAX_TEXT_CHARS = 1_000_000;

export function textOrNull(text: string): string | null {
  return text.length > MAX_TEXT_CHARS ? null : text;
}

/** Returns null for a value that no field can hold: an overflow or NaN. Removes the sign of zero. */
export function numberOrNull(value: number, kind: Kind): number | null {
  const fits = kind === 'int' ? Number.isSafeInteger(value) : Number.isFinite(value);
  return fits ? value + 0 : null;
}
