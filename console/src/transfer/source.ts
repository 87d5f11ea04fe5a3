import { fromInput, type Parsed } from '../edits/values.ts';
import type { Rec } from '../grid/segment.ts';
import type { Field, Table } from '../state/schema.ts';
import { type Cell, readCells } from './cells.ts';

/** Row of a file, with a value for each of its columns. */
export interface SourceRow {
  /** Row or line of the file, from 1. */
  readonly number: number;
  readonly values: readonly unknown[];
}

/** What a file or the clipboard has, before it is known which fields it is for. */
export interface Source {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly SourceRow[];
  /** Values are texts, which are read by the types of their fields. */
  readonly isText: boolean;
}

export interface ReadyRow {
  readonly number: number;
  readonly record: Rec;
}

export interface RowError {
  readonly row: number;
  readonly message: string;
}

/** Reads a file by the ending of its name, else by how it begins. Throws for one that is none of these. */
export function readSource(name: string, text: string): Source {
  const trimmed = text.trimStart();
  if (/\.json$/i.test(name) || trimmed.startsWith('[')) return fromRecords(name, readJson(text));
  if (/\.(?:ndjson|jsonl)$/i.test(name) || trimmed.startsWith('{')) return fromRecords(name, readLines(text));
  const [head = ''] = text.split(/\r?\n/, 1);
  const separator = [',', '\t', ';'].toSorted((a, b) => head.split(b).length - head.split(a).length)[0] ?? ',';
  return fromCells(name, [...readCells(text, separator)]);
}

/** Source of rows of cells, the first of which names the columns. */
export function fromCells(name: string, [head = [], ...rows]: readonly (readonly Cell[])[]): Source {
  const columns = head.map((cell) => cell?.trim() ?? '');
  return {
    name,
    columns,
    rows: rows.map((values, index) => ({ number: index + 2, values })),
    isText: true,
  };
}

interface Numbered {
  readonly number: number;
  readonly record: Rec;
}

function fromRecords(name: string, records: readonly Numbered[]): Source {
  const columns = [...new Set(records.flatMap(({ record }) => Object.keys(record)))];
  const rows = records.map(({ number, record }) => ({
    number,
    values: columns.map((column) => (Object.hasOwn(record, column) ? record[column] : undefined)),
  }));
  return { name, columns, rows, isText: false };
}

function readJson(text: string): readonly Numbered[] {
  const value: unknown = JSON.parse(text);
  // An export has its records in a member.
  const list = Array.isArray(value) ? value : (value as { records?: unknown } | null)?.records;
  if (!Array.isArray(list)) throw new Error('The file is no list of records.');
  return list.map((record, index) => ({ number: index + 1, record: asRecord(record, index + 1) }));
}

function readLines(text: string): readonly Numbered[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '') return [];
    const record = asRecord(parseLine(line, index + 1), index + 1);
    // The first line of an export has its position.
    return Object.hasOwn(record, '$export') ? [] : [{ number: index + 1, record }];
  });
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Error(`Line ${number}: ${(error as Error).message}`);
  }
}

function asRecord(value: unknown, number: number): Rec {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Rec;
  throw new Error(`Row ${number} is no record.`);
}

/** Field of each column: that of its name, whatever its case. What the server sets by itself has none. */
export function mapColumns({ columns }: Source, { fields }: Table): readonly (Field | undefined)[] {
  const writable = fields.filter(({ readOnly }) => !readOnly);
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  return columns.map(
    (column) => writable.find(({ name }) => name === column) ?? writable.find(({ name }) => same(name, column)),
  );
}

/** Record of a row; an error says what is wrong with it. */
export function toRecord(
  row: SourceRow,
  mapping: readonly (Field | undefined)[],
  isText: boolean,
): { readonly record: Rec; readonly error?: string } {
  const record: Record<string, unknown> = {};
  for (const [index, field] of mapping.entries()) {
    const value = row.values[index];
    if (field === undefined || value === undefined) continue;
    const parsed = isText ? fromCell(value as string, field) : { value };
    if ('error' in parsed) return { record, error: `${field.name} ${parsed.error}` };
    record[field.name] = parsed.value;
  }
  return { record };
}

/** Value of a cell, which a spreadsheet may have written in its own way. */
export function fromCell(text: string, field: Field): Parsed {
  if (field.kind === 'boolean' && !field.list) {
    if (!/^(?:true|false)$/i.test(text)) return { error: 'is true or false' };
    return { value: text.toLowerCase() === 'true' };
  }
  const isWhole = field.kind === 'long' || field.type === 'Int';
  return fromInput(isWhole && !field.list ? text.replace(/\.0+$/, '') : text, field, false);
}
