import type { Word } from '../../../query/index.ts';

// FTS5 cuts what it takes for a word after 32768 bytes.
const LONGEST_MATCHED = 8000;
const MOST_MATCHED = 256;

/**
 * A query of FTS5 for all of the words, each in quotes, so that none is read as its syntax. Undefined when it would not
 * find the same.
 */
export function matchOf(words: readonly Word[]): string | undefined {
  if (words.length > MOST_MATCHED || words.some(({ text }) => text.length > LONGEST_MATCHED)) return undefined;
  return words.map(({ text, prefix }) => `"${text.replaceAll('"', '""')}"${prefix ? '*' : ''}`).join(' AND ');
}
