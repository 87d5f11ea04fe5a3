const WORD = /[\p{L}\p{N}]+/gu;
const SEARCH_WORD = /([\p{L}\p{N}]+)(\*?)/gu;
const MARKS = /\p{M}+/gu;

/** Word to search for. */
export interface Word {
  readonly text: string;
  /** True for `hel*`: any word that begins like this. */
  readonly prefix: boolean;
}

/**
 * Converts to upper case first, which folds characters that lower case alone does not: ß, ligatures, and the final
 * sigma.
 */
function normalize(text: string): string {
  return text.normalize('NFKD').replace(MARKS, '').toUpperCase().toLowerCase().replaceAll('ς', 'σ');
}

/** Returns the words of a text as `=ft=` compares them: runs of letters and digits, without case and accents. */
export function wordsOf(text: string): string[] {
  return normalize(text).match(WORD) ?? [];
}

/** Returns the words of a search, in which a star right after a word makes it a prefix. */
export function parseWords(text: string): Word[] {
  return [...normalize(text).matchAll(SEARCH_WORD)].map(([, word = '', star]) => ({
    text: word,
    prefix: star === '*',
  }));
}

/** Joins the words of several texts with spaces, for an index that splits a text at its spaces. */
export function wordText(texts: readonly string[]): string {
  return texts.flatMap(wordsOf).join(' ');
}

/** Returns all strings of a stored value: a text, or for a list its JSON, however its lists nest. */
export function stringsOf(cell: string, isList: boolean): string[] {
  return isList ? textsIn(JSON.parse(cell)) : [cell];
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.flatMap(textsIn) : [];
}

/** True when the texts together have every word. */
export function haveWords(texts: readonly string[], words: readonly Word[]): boolean {
  const present = new Set(texts.flatMap(wordsOf));
  const list = words.some(({ prefix }) => prefix) ? [...present] : [];
  return words.every(({ text, prefix }) => (prefix ? list.some((it) => it.startsWith(text)) : present.has(text)));
}
