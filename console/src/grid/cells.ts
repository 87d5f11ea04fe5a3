import { cellText } from '../state/text.ts';
import type { Column } from './columns.ts';

/** Text and classes of a cell. */
export interface Drawn {
  readonly text: string;
  readonly kind: string;
}

/** What a cell draws for a value that is not read with its row. */
export const LARGE: Drawn = { text: 'large value', kind: ' nothing' };

/** What a cell draws for a value: always text, never markup. */
export function drawValue(value: unknown, { field, isKey }: Column): Drawn {
  if (value === undefined) return { text: '', kind: '' };
  if (value === null) return { text: 'null', kind: ' nothing' };
  if (value === '') return { text: 'empty', kind: ' nothing' };
  if (field !== undefined && !field.list) {
    if (field.kind === 'date' && typeof value === 'string') return { text: shortDate(value), kind: ' mono' };
    if (field.kind === 'number' || field.kind === 'long') return { text: String(value), kind: ' num' };
    if (field.kind === 'boolean') return { text: String(value), kind: value === true ? ' yes' : ' no' };
    if (field.kind === 'enum') return { text: cellText(value), kind: ' tag' };
  }
  if (typeof value === 'number') return { text: String(value), kind: ' num' };
  if (typeof value === 'object') return { text: cellText(value), kind: ' mono soft' };
  return { text: cellText(value), kind: isKey || field?.refersTo !== undefined ? ' mono' : '' };
}

/** `2025-01-15T10:30:00.000Z` as `2025-01-15 10:30:00`, in UTC as it is stored. */
export function shortDate(text: string): string {
  const match = /^(\d{4,}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z$/.exec(text);
  if (match === null) return cellText(text);
  const [, day, time, fraction = '000'] = match;
  return fraction === '000' ? `${day} ${time}` : `${day} ${time}.${fraction}`;
}
