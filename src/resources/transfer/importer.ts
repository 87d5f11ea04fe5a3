import { v5 as uuidv5 } from 'uuid';
import { AppError, type FieldError } from '../../errors.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { formatKey } from '../../store/idempotency-key.ts';
import { isChange } from '../../store/rows/cell-change.ts';
import { RowCodec } from '../../store/rows/codec.ts';
import type { PatchCells, Write } from '../../store/rows/write.ts';
import type { Cell, IdempotencyKey, RecordKey, RecordReader, WriteOutcome } from '../../store/store.ts';
import type { WriteQueue } from '../../store/write-queue.ts';
import { parseJsonText } from '../body/json.ts';
import { type RecordLimits, RecordParser } from '../body/record-parser.ts';
import { isObject } from '../body/values.ts';
import { isNumeric } from '../key.ts';

export const IMPORT_MODES = ['create', 'upsert', 'patch'] as const;
export type ImportMode = (typeof IMPORT_MODES)[number];

export interface ImportRow {
  /** Number of the record in its file, from 1. */
  readonly row: number;
  /** JSON text of the record. */
  readonly json: string;
}

export interface ImportBatch {
  readonly mode: ImportMode;
  readonly rows: readonly ImportRow[];
  /** Names in the file of fields that are called otherwise here. */
  readonly names: Readonly<Record<string, string>>;
  /** Identification of the batch among all: the file's hash with the number of the batch. */
  readonly key: string;
  readonly onError: 'stop' | 'skip';
  /** True to check the records and to write nothing. */
  readonly dryRun: boolean;
}

/** Record that was not written, with the reason. */
export interface RefusedRow {
  readonly row: number;
  readonly code: string;
  readonly message: string;
  readonly errors?: readonly FieldError[];
}

export interface ImportOutcome {
  readonly created: number;
  readonly updated: number;
  /** Records that were the same already, or that an earlier run has written. */
  readonly unchanged: number;
  readonly refused: readonly RefusedRow[];
  /** True when the rows after a refused one were not written. */
  readonly stopped: boolean;
}

interface ImportContext {
  readonly limits: RecordLimits;
  readonly commits: WriteQueue;
  readonly records: RecordReader;
}

interface ParsedRow {
  readonly row: number;
  readonly write: RecordWrite;
}

type RecordWrite = Extract<Write, { readonly cells: PatchCells; readonly id: RecordKey }>;

/** Namespace of the keys of records that come without one. */
const KEY_NAMESPACE = '7f0c5a8e-9d53-4c77-8f0e-3f5f4b4f7a11';
/** Records that one transaction of a reset removes. */
const MAX_REMOVED_RECORDS = 256;

/**
 * Writes records of a file to one table, with the validation of every write, and without access rules and hooks: the
 * operator has the files of the store anyway. A batch that is sent again is not written again.
 */
export class TableImporter {
  readonly #table: TablePlan;
  readonly #context: ImportContext;
  readonly #parser: RecordParser;
  readonly #codec: RowCodec;

  constructor(table: TablePlan, context: ImportContext) {
    this.#table = table;
    this.#context = context;
    this.#parser = new RecordParser(table, context.limits, true);
    this.#codec = new RowCodec(table.fields);
  }

  async write(batch: ImportBatch): Promise<ImportOutcome> {
    const tally = new Tally();
    const parsed: ParsedRow[] = [];
    for (const row of batch.rows) {
      try {
        parsed.push({ row: row.row, write: this.#parse(row, batch) });
      } catch (error) {
        tally.refuse(row.row, error);
        if (batch.onError === 'stop') break;
      }
    }
    if (batch.dryRun) await this.#check(parsed, tally);
    else await this.#commit(parsed, batch, tally);
    return tally.outcome(batch.onError);
  }

  /** Removes every record; returns their number. Each removal is in the log. */
  async reset(): Promise<number> {
    const { records, commits } = this.#context;
    const table = this.#table;
    for (let count = 0; ; ) {
      const page = await records.page(table, undefined, MAX_REMOVED_RECORDS);
      if (page.length === 0) return count;
      await commits.submit(page.map(({ id }) => ({ type: 'delete', table, id })));
      count += page.length;
    }
  }

  #parse({ row, json }: ImportRow, { mode, key: batch, names }: ImportBatch): RecordWrite {
    const table = this.#table;
    const value = renameKeys(parseJsonText(json), names);
    const index = table.fields.indexOf(table.primaryKey);
    if (mode === 'patch') {
      const cells = this.#parser.parsePatch(value);
      const id = (cells[index] as RecordKey | undefined) ?? this.#makeKey(mode, '');
      return { type: 'patch', table, id, cells, imported: true };
    }
    const cells = this.#parser.parseFull(value);
    const own = cells[index] as RecordKey | undefined;
    const id = own ?? this.#makeKey(mode, `${batch}:${row}`);
    const keyed = own === undefined ? cells.with(index, id) : cells;
    return { type: mode === 'upsert' ? 'put' : 'create', table, id, cells: keyed, imported: true };
  }

  /** The same file gives the same keys, so that a second run finds the records of the first. */
  #makeKey(mode: ImportMode, name: string): RecordKey {
    const { primaryKey } = this.#table;
    if (mode === 'create' && !isNumeric(this.#table)) return uuidv5(name, KEY_NAMESPACE);
    const message = 'is required: it says which record is meant';
    throw new AppError('VALIDATION_ERROR', `${primaryKey.name} ${message}.`, {
      errors: [{ field: primaryKey.name, message }],
    });
  }

  /** Writes all rows in one group, and only when one of them is refused each by itself. */
  async #commit(parsed: readonly ParsedRow[], { mode, key, onError }: ImportBatch, tally: Tally): Promise<void> {
    if (parsed.length === 0) return;
    const { commits } = this.#context;
    // A replacement that is made twice changes nothing the second time; a patch may count up.
    const once = (name: string) => (mode === 'upsert' ? undefined : this.#once(name));
    try {
      const writes = parsed.map(({ write }) => write);
      for (const outcome of await commits.submit(writes, once(key))) tally.count(outcome);
      return;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
    for (const { row, write } of parsed) {
      try {
        for (const outcome of await commits.submit([write], once(`${key}:${row}`))) tally.count(outcome);
      } catch (error) {
        if (mode === 'create' && (await this.#isThere(write))) tally.unchanged++;
        else {
          tally.refuse(row, error);
          if (onError === 'stop') return;
        }
      }
    }
  }

  #once(name: string): IdempotencyKey {
    const scope = { caller: ['import'], table: this.#table.name, space: 'import' };
    return { key: formatKey(scope, name), hash: '' };
  }

  /** Finds the records that exist or are missing. Only the transaction can know of values that are taken. */
  async #check(parsed: readonly ParsedRow[], tally: Tally): Promise<void> {
    for (const { row, write } of parsed) {
      const found = await this.#context.records.get(this.#table, write.id);
      if (found === undefined && write.type === 'patch') {
        tally.refuse(row, new AppError('NOT_FOUND', `There is no record ${JSON.stringify(write.id)}.`));
      } else if (found !== undefined && write.type === 'create' && !(await this.#isThere(write))) {
        tally.refuse(row, new AppError('CONFLICT', `There is a record ${JSON.stringify(write.id)} already.`));
      } else if (found === undefined) tally.created++;
      else if (await this.#isThere(write)) tally.unchanged++;
      else tally.updated++;
    }
  }

  /** True when the record is stored with the values of the row. */
  async #isThere({ id, cells }: RecordWrite): Promise<boolean> {
    const found = await this.#context.records.get(this.#table, id);
    if (found === undefined || cells.some(isChange)) return false;
    const given = cells.flatMap((cell, index) => (cell === undefined ? [] : [index]));
    const wanted = JSON.parse(this.#codec.partToJson(cells as readonly Cell[], given)) as Record<string, unknown>;
    const stored = JSON.parse(found.json) as Record<string, unknown>;
    return Object.entries(wanted).every(([name, value]) => JSON.stringify(value) === JSON.stringify(stored[name]));
  }
}

function renameKeys(value: unknown, names: ImportBatch['names']): unknown {
  const isPlain = !isObject(value) || Object.keys(names).length === 0;
  if (isPlain) return value;
  const nameOf = (name: string) => (Object.hasOwn(names, name) ? (names[name] as string) : name);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [nameOf(name), item]));
}

class Tally {
  created = 0;
  updated = 0;
  unchanged = 0;
  readonly #refused: RefusedRow[] = [];

  count({ created, changed, replayed }: WriteOutcome): void {
    if (replayed || !changed) this.unchanged++;
    else if (created) this.created++;
    else this.updated++;
  }

  /** Throws an error that does not concern the row. */
  refuse(row: number, error: unknown): void {
    if (!(error instanceof AppError) || error.status >= 500 || error.code === 'OVERLOADED') throw error;
    const { code, message, errors } = error;
    this.#refused.push({ row, code, message, ...(errors === undefined ? {} : { errors }) });
  }

  outcome(onError: ImportBatch['onError']): ImportOutcome {
    const { created, updated, unchanged } = this;
    const all = this.#refused.toSorted((a, b) => a.row - b.row);
    // A row is checked before the rows in front of it are written.
    const refused = onError === 'stop' ? all.slice(0, 1) : all;
    return { created, updated, unchanged, refused, stopped: onError === 'stop' && refused.length > 0 };
  }
}
