import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { AppError } from '../../errors.ts';
import type { ImportMode, ImportRow } from '../../resources/transfer/importer.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { parseCsv } from '../../server/content/csv.ts';
import { CommandError } from '../failure.ts';
import { EXPORT_MARK } from './export-text.ts';

export const FILE_FORMATS = ['ndjson', 'csv', 'json'] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];

const FORMATS_BY_ENDING: Readonly<Record<string, FileFormat>> = {
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.csv': 'csv',
  '.json': 'json',
};

/** Returns the format that the ending of the file names; undefined for another ending. */
export function formatOf(file: string): FileFormat | undefined {
  return FORMATS_BY_ENDING[extname(file).toLowerCase()];
}

export interface RowSource {
  readonly file: string;
  readonly format: FileFormat;
  readonly table: TablePlan;
  readonly mode: ImportMode;
  /** Names in the file of fields that are called otherwise in the table. */
  readonly names: Readonly<Record<string, string>>;
  /** Called with the part of the file that has been read, from 0 to 1. */
  onRead(share: number): void;
}

/** Reads the records of a file. NDJSON is read line by line, the other formats as a whole. Throws CommandError. */
export async function* readRows(source: RowSource): AsyncGenerator<ImportRow> {
  if (source.format === 'ndjson') yield* readLines(source);
  else if (source.format === 'csv') yield* readCsv(source);
  else yield* readJson(source);
}

async function* readLines({ file, onRead }: RowSource): AsyncGenerator<ImportRow> {
  const { size } = statSync(file);
  const stream = createReadStream(file, 'utf8');
  let row = 0;
  for await (const line of splitLines(stream)) {
    onRead(stream.bytesRead / size);
    if (line.trim() === '' || (row === 0 && line.startsWith(`{"${EXPORT_MARK}":`))) continue;
    row++;
    yield { row, json: line };
  }
}

/**
 * Yields the lines of a text, which end with a line feed alone: JSON may contain U+2028 and U+2029 as they are, where
 * `node:readline` ends a line from Node 24 on. A carriage return before the line feed stays, and is white space of JSON.
 */
async function* splitLines(chunks: AsyncIterable<unknown>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of chunks) {
    const [first = '', ...others] = String(chunk).split('\n');
    rest += first;
    for (const line of others) {
      yield rest;
      rest = line;
    }
  }
  yield rest;
}

function* readJson({ file, onRead }: RowSource): Generator<ImportRow> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CommandError(`${file} is not JSON: ${error.message}`);
  }
  const records = isExport(value) ? value.records : value;
  if (!Array.isArray(records)) throw new CommandError(`${file} needs a list of records, [{"id": …}, …].`);
  for (const [index, record] of records.entries()) {
    onRead((index + 1) / records.length);
    yield { row: index + 1, json: JSON.stringify(record) };
  }
}

function isExport(value: unknown): value is { readonly records: unknown } {
  return typeof value === 'object' && value !== null && EXPORT_MARK in value && 'records' in value;
}

function* readCsv({ file, table, mode, names, onRead }: RowSource): Generator<ImportRow> {
  const named = new Map(Object.entries(names).map(([from, to]) => [to, from]));
  const fields = table.fields.map((field) => ({ ...field, name: named.get(field.name) ?? field.name }));
  try {
    const body = parseCsv(readFileSync(file, 'utf8'), {
      records: Number.POSITIVE_INFINITY,
      columns: table.fields.length * 2,
    });
    // An empty cell is null: an export has one for each field.
    const nullable = fields.filter(({ required, name }) => !required && body.header.names.includes(name));
    const nulls = mode === 'patch' ? {} : Object.fromEntries(nullable.map(({ name }) => [name, null]));
    const records = body.records({ ...table, fields });
    for (const [index, { value }] of records.entries()) {
      onRead((index + 1) / records.length);
      yield { row: index + 1, json: JSON.stringify({ ...nulls, ...(value as object) }) };
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new CommandError(`${file}: ${error.message}`);
  }
}

/** Returns the hash of a file, by which a second run of the same import is recognised. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('base64url');
}
