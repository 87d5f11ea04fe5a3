import type { FlatKeys } from '../../config/keys/section.ts';
import { choiceKey, required, textKey } from '../../config/keys/values.ts';

/** Keys of `from:` of a flow that follows the changes of a table. */
export interface TableSourceSettings {
  readonly table: string;
  readonly filter: string | undefined;
  readonly start: 'now' | 'oldest';
}

export const TABLE_SOURCE_KEYS: FlatKeys<TableSourceSettings> = {
  table: required(textKey(undefined, { what: 'Export name of the table', shownDefault: 'must be written' })),
  filter: textKey(undefined, { what: 'Which records, as in the URL of a list', shownDefault: 'all' }),
  start: choiceKey(['now', 'oldest'], 'now', { what: 'Where a new flow begins: now, or with the oldest change kept' }),
};
