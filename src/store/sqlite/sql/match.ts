import type { Word } from '../../../query/index.ts';

/** Characters of a word: FTS5 cuts words after 32768 bytes. */
const MAX_WORD_CHARS = 8000;
/** Words of one query. */
const MAX_WORDS = 256;

/**
 * Returns an FTS5 query for all of the words, each in quotes, so that none is parsed as syntax. Undefined when it would
 * not find the same records as the function for words does.
 */
export function matchOf(words: readonly Word[]): string | undefined {
  if (words.length > MAX_WORDS || words.some(({ text }) => text.length > MAX_WORD_CHARS)) return undefined;
  return words.map(({ text, prefix }) => `"${text.replaceAll('"', '""')}"${prefix ? '*' : ''}`).join(' AND ');
}
