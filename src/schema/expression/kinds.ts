import type { FieldType } from '../plan.ts';

/** What an expression knows of a value. `texts` is a list of texts, `null` the word itself. */
export type Kind = 'text' | 'int' | 'float' | 'boolean' | 'date' | 'texts' | 'list' | 'null';

/** A date is its ISO text. */
export type Value = string | number | boolean | null | readonly unknown[];

export const KIND_NAMES: Readonly<Record<Kind, string>> = {
  text: 'a text',
  int: 'a whole number',
  float: 'a number',
  boolean: 'true or false',
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

/** Undefined for what an expression cannot look into: JSON and objects. */
export function kindOf(type: FieldType): Kind | undefined {
  if (type.kind === 'enum') return 'text';
  if (type.kind === 'list') return kindOf(type.of) === 'text' ? 'texts' : 'list';
  return type.kind === 'scalar' ? SCALARS[type.name] : undefined;
}

/** The kind that both are, undefined when there is none. */
export function unify(a: Kind, b: Kind): Kind | undefined {
  if (a === b || b === 'null') return a;
  if (a === 'null') return b;
  return isNumber(a) && isNumber(b) ? 'float' : undefined;
}

export function isNumber(kind: Kind): boolean {
  return kind === 'int' || kind === 'float';
}

/** What can stand in a text. */
export const SHOWN: readonly Kind[] = ['text', 'int', 'float', 'boolean', 'date', 'null'];
export const NUMBERS: readonly Kind[] = ['int', 'float', 'null'];

/** A text that grows beyond this many characters is null: fields put together must not fill the memory. */
const LONGEST_TEXT = 1_000_000;

export function textOrNull(text: string): string | null {
  return text.length > LONGEST_TEXT ? null : text;
}

/** Null for what no field holds: an overflow, and what is not a number. Zero has no sign. */
export function numberOrNull(value: number, kind: Kind): number | null {
  const fits = kind === 'int' ? Number.isSafeInteger(value) : Number.isFinite(value);
  return fits ? value + 0 : null;
}
