import { AppError, type FieldError } from '../../errors.ts';
import type { FieldPlan, FieldType, TablePlan } from '../../schema/plan.ts';
import { isText } from '../../schema/sdl/field.ts';
import { parseJsonText } from './json.ts';
import { summarize } from './values.ts';

/** Record of a batch. Errors have `place` before the name of the field. */
export interface PlacedRecord {
  readonly place: string;
  readonly value: unknown;
}

/** Body whose content type holds many records, parsed as far as that needs no schema. */
export abstract class BatchBody {
  /** Field names that all records share, and the place that their errors have. */
  abstract readonly header: { readonly names: readonly string[]; readonly place: string } | undefined;
  abstract get size(): number;
  /** Returns the records as JSON values. Throws VALIDATION_ERROR for cells that must be JSON and are not. */
  abstract records(table: TablePlan): readonly PlacedRecord[];
  /** Content that makes two bodies the same for Idempotency-Key. */
  abstract toJSON(): unknown;
}

/** Body with one JSON value per line. */
export class NdjsonBody extends BatchBody {
  readonly header = undefined;
  readonly #records: readonly PlacedRecord[];

  constructor(records: readonly PlacedRecord[]) {
    super();
    this.#records = records;
  }

  get size(): number {
    return this.#records.length;
  }

  records(): readonly PlacedRecord[] {
    return this.#records;
  }

  toJSON(): unknown {
    return this.#records.map(({ value }) => value);
  }
}

/** Text of a cell; undefined for an empty cell without quotes. */
export type CsvCell = string | undefined;

/** RFC 4180 with a header. The column types a cell: JSON text for lists, objects and JSON, else the value's text. */
export class CsvBody extends BatchBody {
  readonly header: { readonly names: readonly string[]; readonly place: string };
  readonly #rows: readonly (readonly CsvCell[])[];

  constructor(names: readonly string[], rows: readonly (readonly CsvCell[])[]) {
    super();
    this.header = { names, place: 'row 1, column ' };
    this.#rows = rows;
  }

  get size(): number {
    return this.#rows.length;
  }

  records({ fields }: TablePlan): readonly PlacedRecord[] {
    const { names } = this.header;
    const columns = names.map((name) => fields.find((field) => field.name === name));
    const errors: FieldError[] = [];
    const records: PlacedRecord[] = [];
    for (const [index, row] of this.#rows.entries()) {
      // The header is the first row.
      const place = `row ${index + 2}, column `;
      const value: Record<string, unknown> = Object.create(null);
      for (const [at, name] of names.entries()) {
        const cell = readCell(row[at], columns[at], (message) => errors.push({ field: place + name, message }));
        if (cell !== undefined) value[name] = cell;
      }
      records.push({ place, value });
      if (errors.length >= MAX_ERRORS) break;
    }
    if (errors.length === 0) return records;
    throw new AppError('VALIDATION_ERROR', summarize(errors), { errors: errors.slice(0, MAX_ERRORS) });
  }

  toJSON(): unknown {
    return [this.header.names, ...this.#rows];
  }
}

const MAX_ERRORS = 100;

/** Reads an empty cell as a field that was not sent, and in quotes as the empty string, where the field is text. */
function readCell(cell: CsvCell, field: FieldPlan | undefined, report: (message: string) => void): unknown {
  if (cell === undefined || field === undefined) return cell;
  if (cell === '' && !isText(field.type)) return undefined;
  if (!isJson(field.type)) return readScalar(cell, field.type);
  try {
    return parseJsonText(cell);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    report(`must be JSON text. ${error.message}`);
    return undefined;
  }
}

/**
 * Reads values as spreadsheets and data frames write them: a boolean in any case, an integer with zeros after the
 * point.
 */
function readScalar(cell: string, type: FieldType): string {
  if (type.kind !== 'scalar') return cell;
  if (type.name === 'Boolean') return BOOLEAN.test(cell) ? cell.toLowerCase() : cell;
  const isInteger = (type.name === 'Int' || type.name === 'Long') && WHOLE.test(cell);
  return isInteger ? cell.slice(0, cell.indexOf('.')) : cell;
}

const BOOLEAN = /^(?:true|false)$/i;
const WHOLE = /^-?\d{1,20}\.0{1,20}$/;

/** Returns whether a cell holds the value of a field as JSON text. */
export function isJson(type: FieldType): boolean {
  return type.kind === 'list' || type.kind === 'object' || (type.kind === 'scalar' && type.name === 'JSON');
}
