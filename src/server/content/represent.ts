import type { Column } from '../../resources/table/types.ts';
import { loadBinary } from './binary.ts';
import type { Format } from './formats.ts';

/** JSON text of an object, or of a list of them, in another form. `columns`: those of CSV; the objects' own without it. */
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
  const rows = (Array.isArray(value) ? value : [value]) as readonly Row[];
  return format === 'ndjson' ? toLines(rows) : toCsv(rows, columns ?? columnsOf(rows[0]));
}

type Row = Readonly<Record<string, unknown>>;

function toLines(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

function columnsOf(row: Row = {}): readonly Column[] {
  return Object.keys(row).map((name) => ({ name, isJson: false }));
}

/** RFC 4180, with a header. Nothing is done to text that a spreadsheet would take for a formula: it is data. */
export function toCsv(rows: readonly Row[], columns: readonly Column[]): string {
  const lines = rows.map((row) => columns.map(({ name, isJson }) => toCell(row[name], isJson)).join(','));
  return [columns.map(({ name }) => toCell(name, false)).join(','), ...lines, ''].join('\r\n');
}

/** null is an empty cell, so the empty text is a quoted one. */
function toCell(value: unknown, isJson: boolean): string {
  if (value === null || value === undefined) return '';
  const text = isJson || typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text === '' || /[",\r\n]/.test(text) || text.trim() !== text ? `"${text.replaceAll('"', '""')}"` : text;
}
