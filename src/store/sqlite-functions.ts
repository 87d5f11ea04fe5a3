import type { Database } from 'better-sqlite3';
import { haveWords, NUMBER_FUNCTION, WORDS_FUNCTION, type Word } from '../query/index.ts';

/** The SQL functions that the statements of the query language use. */
export function registerFunctions(db: Database): void {
  db.function(NUMBER_FUNCTION, { deterministic: true }, (value) => (value === null ? null : JSON.stringify(value)));
  db.function(WORDS_FUNCTION, { deterministic: true }, (text, isList, words) => {
    if (typeof text !== 'string') return 0;
    const texts = isList === 1 || isList === 1n ? textsOf(JSON.parse(text)) : [text];
    return haveWords(texts, JSON.parse(words as string) as readonly Word[]) ? 1 : 0;
  });
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.flatMap(textsOf) : [];
}
