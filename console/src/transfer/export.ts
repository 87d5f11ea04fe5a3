import { type GridQuery, joinSearch } from '../grid/query.ts';
import { ask } from '../state/http.ts';
import { withoutFormulas } from './cells.ts';

export const FORMATS = { csv: 'text/csv', ndjson: 'application/x-ndjson', json: 'application/json' } as const;

export type Format = keyof typeof FORMATS;

export interface ExportJob {
  readonly app: string;
  readonly table: string;
  readonly query: GridQuery;
  readonly format: Format;
  /** Marks texts that a spreadsheet would run; the file is then not the same when it is read again. */
  readonly isSafe: boolean;
}

const PAGE = 1_000;

/** Reads all records of a query page by page. Calls `tell` with their number so far. */
export async function exportRecords(job: ExportJob, signal: AbortSignal, tell: (count: number) => void): Promise<Blob> {
  const { app, table, query, format } = job;
  const accept = format === 'csv' ? FORMATS.csv : FORMATS.ndjson;
  const pages = query.mode === 'scroll' ? `limit=${PAGE}` : '';
  const parts: string[] = [];
  let count = 0;
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const search = joinSearch(query.search, pages, cursor === '' ? '' : `cursor=${cursor}`);
    const path = `${encodeURIComponent(table)}?${search}`;
    const { data, headers } = await ask<string>(app, path, { headers: { accept }, signal });
    const next = /[?&]cursor=([^&>]*)[^>]*>;\s*rel="?next/.exec(headers.get('link') ?? '');
    const rows = format === 'csv' ? rowsOf(data, job, parts.length === 0) : linesOf(data, format, count > 0);
    count += format === 'csv' ? countRows(data) : data.split('\n').length - 1;
    parts.push(rows);
    tell(count);
    cursor = query.mode === 'scroll' ? next?.[1] : undefined;
  }
  if (format === 'json') return new Blob(['[', ...parts, '\n]\n'], { type: FORMATS.json });
  return new Blob(parts, { type: FORMATS[format] });
}

function rowsOf(text: string, { isSafe }: ExportJob, isFirst: boolean): string {
  // Names of fields have no line breaks, so that the header ends with the first one.
  const rows = isFirst ? text : text.slice(text.indexOf('\n') + 1);
  return isSafe ? withoutFormulas(rows) : rows;
}

/** Rows of a page, the header not among them; a line break in quotes begins none. */
function countRows(text: string): number {
  return text.replace(/"[^"]*"/g, '').split('\n').length - 2;
}

function linesOf(text: string, format: Format, hasBefore: boolean): string {
  if (format === 'ndjson') return text;
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.length === 0 ? '' : `${hasBefore ? ',' : ''}\n${lines.join(',\n')}`;
}

/** Has the browser save a file. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
