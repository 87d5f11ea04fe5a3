import { literal } from '../sql/names.ts';
import { MAX_WORD_CHARS } from '../sql/types.ts';
import type { ExternalNames } from './names.ts';

const LAST_CODE_POINT = 0x10ffff;
const ROOT = 'COLLATE "und-x-icu"';

/**
 * Returns the function that splits a text into words as `wordsOf` of the query language does. The classes of characters are
 * those of Node's Unicode tables.
 */
export function createWords(names: ExternalNames): string {
  const plain = `regexp_replace(normalize(value, NFKD), ${literal(`[${rangesOf(/\p{M}/u)}]+`)}, '', 'g')`;
  const folded = `replace(lower(upper(${plain} ${ROOT}) ${ROOT}), 'ς', 'σ')`;
  const split = `regexp_split_to_table(${folded}, ${literal(`[^${rangesOf(/[\p{L}\p{N}]/u)}]+`)})`;
  const body = `SELECT array_agg(DISTINCT left(w, ${MAX_WORD_CHARS})) FROM ${split} AS w WHERE w <> ''`;
  return `CREATE OR REPLACE FUNCTION ${names.own('words')}(value text) RETURNS text[] LANGUAGE sql IMMUTABLE AS ${literal(body)}`;
}

/** Returns the characters of a class as ranges of a bracket expression. */
function rangesOf(pattern: RegExp): string {
  let ranges = '';
  let start: number | undefined;
  for (let code = 1; code <= LAST_CODE_POINT + 1; code++) {
    const isSurrogate = code >= 0xd800 && code <= 0xdfff;
    const isIn = code <= LAST_CODE_POINT && !isSurrogate && pattern.test(String.fromCodePoint(code));
    if (isIn) start ??= code;
    else if (start !== undefined) {
      ranges += start === code - 1 ? escapeCode(start) : `${escapeCode(start)}-${escapeCode(code - 1)}`;
      start = undefined;
    }
  }
  return ranges;
}

function escapeCode(code: number): string {
  return `\\U${code.toString(16).padStart(8, '0')}`;
}
