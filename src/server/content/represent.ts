import type { Column } from '../../resources/table/types.ts';
import { loadBinary } from './binary.ts';
import type { Format } from './formats.ts';

/** Converts the JSON text of an object or a list to another format. `columns` of CSV default to the first object's keys. */
export async function represent(
  json: string,
  format: Exclude<Format, 'json'>,
  columns?: readonly Column[],
): Promise<string | Buffer> {
  const value: unknown = JSON.parse(json);
  if (format === 'cbor' || format === 'msgpack') {
    const bytes = (await loadBinary(format)).encode(value);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  const rows = (Array.isArray(value) ? value : [value]) as readonly JsonRow[];
  return format === 'ndjson' ? toLines(rows) : toCsv(rows, columns ?? columnsOf(rows[0]));
}

type JsonRow = Readonly<Record<string, unknown>>;

function toLines(rows: readonly JsonRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

function columnsOf(row: JsonRow = {}): readonly Column[] {
  return Object.keys(row).map((name) => ({ name, isJson: false }));
}

/**
 * Formats CSV (RFC 4180) with a header. Text that a spreadsheet would read as a formula is not changed: it is data, and
 * escapes would not survive a round trip.
 */
export function toCsv(rows: readonly JsonRow[], columns: readonly Column[]): string {
  const lines = rows.map((row) => columns.map(({ name, isJson }) => toCell(row[name], isJson)).join(','));
  return [columns.map(({ name }) => toCell(name, false)).join(','), ...lines, ''].join('\r\n');
}

/** Formats a cell: null is an empty cell, so the empty string is quoted. */
function toCell(value: unknown, isJson: boolean): string {
  if (value === null || value === undefined) return '';
  const text = isJson || typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text === '' || /[",\r\n]/.test(text) || text.trim() !== text ? `"${text.replaceAll('"', '""')}"` : text;
}
