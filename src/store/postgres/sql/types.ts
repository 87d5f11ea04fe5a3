import { stringsOf, type Word, wordText } from '../../../query/index.ts';
import { parseDate } from '../../../schema/date.ts';
import type { FieldPlan, FieldType } from '../../../schema/plan.ts';
import type { Cell } from '../../store.ts';

/** Type of a column, as PostgreSQL names it in a cast. */
export type SqlType = 'text' | 'bigint' | 'double precision' | 'boolean' | 'timestamptz' | 'json';

/** Returns the type of the column of a field. Lists, objects and JSON keep their text as it was written. */
export function sqlType(type: FieldType): SqlType {
  if (type.kind === 'enum') return 'text';
  if (type.kind !== 'scalar') return 'json';
  switch (type.name) {
    case 'ID':
    case 'String':
      return 'text';
    case 'Int':
    case 'Long':
      return 'bigint';
    case 'Float':
      return 'double precision';
    case 'Boolean':
      return 'boolean';
    case 'Date':
      return 'timestamptz';
    case 'JSON':
      return 'json';
  }
}

/** Returns the type of a new column: text is compared by its bytes. */
export function columnType(type: FieldType): string {
  const name = sqlType(type);
  if (name === 'text') return 'text COLLATE "C"';
  return name === 'timestamptz' ? 'timestamptz(3)' : name;
}

/** Parameter of a statement, as the driver sends it. */
export type Param = string | number | bigint | boolean | null;

/** Returns a cell, or a value of a filter, as a parameter of a column's type. */
export function toParam(cell: Cell | boolean, type: SqlType): Param {
  if (cell === null) return null;
  if (type === 'boolean') return typeof cell === 'boolean' ? cell : Number(cell) === 1;
  if (type === 'timestamptz') return toTime(String(cell));
  return typeof cell === 'boolean' ? Number(cell) : cell;
}

/** Returns a stored date in PostgreSQL's form: the year 0000 is 1 BC there. A text that is no date is before all. */
function toTime(text: string): string {
  const date = parseDate(text);
  if (date === undefined) return '-infinity';
  return date.startsWith('0000') ? `0001${date.slice(4)} BC` : date;
}

/** Returns a value for a statement that takes no parameters. */
export function literal(value: Param): string {
  if (value === null) return 'NULL';
  return typeof value === 'string' ? `E'${value.replace(/[\\']/g, '\\$&')}'` : String(value);
}

const TIME = /^(\d+)-(\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?\+00(?::00)?( BC)?$/;

/** Reads a time as the server writes it in UTC. */
export function readTime(text: string): string {
  const match = TIME.exec(text);
  if (match === null) return text;
  const [, year = '', day, time, fraction = '', isBefore] = match;
  return `${isBefore === undefined ? year.padStart(4, '0') : '0000'}-${day}T${time}.${fraction.padEnd(3, '0')}Z`;
}

/** Reads an integer: a number wherever a double holds it. */
export function readInteger(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** Writes an array in PostgreSQL's text form. */
export function toArray(values: readonly Param[]): string {
  let text = '{';
  for (const [index, value] of values.entries()) {
    if (index > 0) text += ',';
    if (value === null) text += 'NULL';
    else if (typeof value === 'string') text += `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`;
    else text += String(value);
  }
  return `${text}}`;
}

/** Characters by which a word is found: PostgreSQL takes at most 2046 bytes of each. */
export const MAX_WORD_CHARS = 500;

/**
 * Version of the word splitter, which is stored with each index. Node's Unicode tables define letters: with another
 * version the same text may have other words.
 */
export const WORDS_VERSION = `1, Unicode ${process.versions.unicode}`;

/** Returns the words of a cell, each once; undefined where it has none. */
export function wordsOfCell(cell: Cell, { type }: FieldPlan): readonly string[] | undefined {
  if (typeof cell !== 'string') return undefined;
  const text = wordText(stringsOf(cell, type.kind === 'list'));
  if (text === '') return undefined;
  return [...new Set(text.split(' ').map((word) => word.slice(0, MAX_WORD_CHARS)))];
}

/** Returns a query for all of the words. A word has only letters and digits, so nothing in it is syntax. */
export function queryOf(words: readonly Word[]): string {
  return words.map(({ text, prefix }) => `'${text.slice(0, MAX_WORD_CHARS)}'${prefix ? ':*' : ''}`).join(' & ');
}
