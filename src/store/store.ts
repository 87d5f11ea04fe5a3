import type { EventLog } from '../config/config.ts';
import type { AppError } from '../errors.ts';
import type { ListQuery } from '../query/list-query.ts';
import type { TablePlan } from '../schema/plan.ts';

/** A value or a promise of it: the embedded store answers at once, a remote one later. */
export type Awaitable<T> = T | Promise<T>;

/** Primary key of a record, as JSON has it. */
export type Key = string | number;

/** What one column holds. Booleans are 0 and 1, dates ISO text, lists and objects JSON text. */
export type Cell = string | number | bigint | null;

/** One cell per field, in the plan's order; `undefined` where the writer did not send the field. */
export type Cells = readonly (Cell | undefined)[];

export type Op = 'create' | 'update' | 'delete' | 'publish';

/** One committed entry of the log. */
export interface Change {
  readonly seq: number;
  readonly table: TablePlan;
  readonly op: Op;
  /** null only for a message published to the whole table. */
  readonly id: Key | null;
  /** JSON text: the record after the change, `{"<key>": id}` for a delete, or what was published. */
  readonly data: string;
  /** JSON text: for an update the previous values of the fields that changed, for a delete the whole record. */
  readonly before: string | null;
}

/** A stored record as the wire has it. */
export interface StoredRecord {
  readonly id: Key;
  /** seq of its last change. */
  readonly seq: number;
  readonly json: string;
}

/** What must hold for a write to happen: the record's seq is one of these, or `any`: it exists, `none`: it does not. */
export type Precondition = readonly number[] | 'any' | 'none';

export type Write =
  | { readonly type: 'create'; readonly table: TablePlan; readonly id: Key; readonly cells: Cells }
  | {
      readonly type: 'put' | 'patch';
      readonly table: TablePlan;
      readonly id: Key;
      readonly cells: Cells;
      readonly precondition?: Precondition;
    }
  | {
      readonly type: 'delete';
      readonly table: TablePlan;
      readonly id: Key;
      readonly precondition?: Precondition;
      /** Milliseconds since 1970: delete only when the record's time had passed by then. */
      readonly expiredAt?: number;
    }
  | { readonly type: 'publish'; readonly table: TablePlan; readonly id: Key | null; readonly data: string };

export interface WriteOutcome {
  readonly id: Key | null;
  /** The change's seq; of a write that changed nothing, the seq the record had. */
  readonly seq: number;
  readonly created: boolean;
  /** False when the record was like that already: nothing was stored and nobody is told. */
  readonly changed: boolean;
  /** The record after the write, `''` after a delete or publish. */
  readonly json: string;
}

/** Writes that happen all or not at all. */
export type WriteGroup = readonly Write[];

export interface CommitResult {
  /** One per group: its outcomes, or why it was refused. A refused group leaves its neighbours alone. */
  readonly results: readonly (readonly WriteOutcome[] | AppError)[];
  /** Everything that was committed, in seq order. */
  readonly changes: readonly Change[];
}

/** Reads the records of a table. Nothing here checks access: `resources` has done so. */
export interface RecordReader {
  get(table: TablePlan, id: Key): Awaitable<StoredRecord | undefined>;
  /** The JSON array of the records that match. */
  list(table: TablePlan, query: ListQuery): Awaitable<string>;
  /** Up to `limit` records in primary-key order after `after` (from the start when undefined). */
  page(table: TablePlan, after: Key | undefined, limit: number): Awaitable<readonly StoredRecord[]>;
}

/** Reads the log. */
export interface LogReader {
  /** seq of the newest entry of any table; a reader that has read to its end is at this position. */
  readonly head: number;
  /** seq of the table's newest entry. */
  tableHead(table: TablePlan): number;
  /** From this seq on a reader of the table can be served every change; before it entries are gone. */
  floor(table: TablePlan): number;
  /** Up to `limit` entries after `after`, in order; with `id` those of one record. Fewer than `limit`: the end was reached. */
  readLog(table: TablePlan, after: number, limit: number, id?: Key): Awaitable<readonly Change[]>;
}

export interface StoreOptions {
  /** Absolute path of the data directory. */
  readonly dir: string;
  readonly durability: 'full' | 'normal';
  readonly events: EventLog;
  /** Schema changes that lose data are made instead of refused. */
  readonly allowDestructive: boolean;
  /** One sentence for each change of the schema that was made, and for each table that is no longer in it. */
  onNotice?(sentence: string): void;
}

export interface Store extends RecordReader, LogReader {
  /**
   * Writes the groups and their log entries in one transaction and returns once they are as durable as configured.
   * Throws AppError STORAGE_BUSY or STORAGE_FULL when the transaction as a whole failed: then nothing was written.
   */
  commit(groups: readonly WriteGroup[]): Awaitable<CommitResult>;
  /** Keys of records whose time has passed at `now` (milliseconds), at most `limit`. */
  expired(table: TablePlan, now: number, limit: number): Awaitable<readonly Key[]>;
  /** Removes log entries that are past retention, at most `limit` of a table; true when some may be left. */
  trim(now: number, limit: number): Awaitable<boolean>;
  close(): Awaitable<void>;
}
