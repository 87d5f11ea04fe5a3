import type { Database } from 'better-sqlite3';
import { haveWords, stringsOf, type Word, wordText } from '../../../query/index.ts';
import { removeForbiddenKeys } from '../../../schema/forbidden-key.ts';
import { CLEAN_JSON_FUNCTION, NUMBER_FUNCTION, WORD_TEXT_FUNCTION, WORDS_FUNCTION } from '../sql/index.ts';

/** Registers the SQL functions that the statements of the query language use. */
export function registerFunctions(db: Database): void {
  db.function(NUMBER_FUNCTION, { deterministic: true }, (value) => (value === null ? null : JSON.stringify(value)));
  db.function(CLEAN_JSON_FUNCTION, { deterministic: true }, (json) =>
    typeof json === 'string' ? removeForbiddenKeys(json) : json,
  );
  db.function(WORDS_FUNCTION, { deterministic: true }, (text, isList, words) => {
    if (typeof text !== 'string') return 0;
    return haveWords(stringsOf(text, Number(isList) === 1), JSON.parse(words as string) as readonly Word[]) ? 1 : 0;
  });
  db.function(WORD_TEXT_FUNCTION, { deterministic: true }, (text, isList) =>
    typeof text === 'string' ? wordText(stringsOf(text, Number(isList) === 1)) : '',
  );
}
