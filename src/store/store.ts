import type { AuditConfig, IdempotencyConfig, LogRetentionConfig } from '../config/config.ts';
import type { AppError } from '../errors.ts';
import type { Filter, JsonRecord, ListQuery, SelectedRelation } from '../query/index.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { Actor, AuditReader } from './audit.ts';
import type { Place } from './placed-error.ts';
import type { StorageHealth } from './storage-health.ts';

/** A value or a promise of it: the embedded store answers at once, a remote one later. */
export type Awaitable<T> = T | Promise<T>;

/** Primary key of a record, as JSON has it. */
export type RecordKey = string | number;

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
  readonly id: RecordKey | null;
  /** JSON text: the record after the change, `{"<key>": id}` for a delete, or what was published. */
  readonly data: string;
  /**
   * JSON text: for an update the previous values of the fields that changed, for a delete the whole record, for a message
   * the record that it is about where that decides who hears of it.
   */
  readonly before: string | null;
}

/** A stored record as the wire has it. */
export interface StoredRecord {
  readonly id: RecordKey;
  /** seq of its last change. */
  readonly seq: number;
  readonly json: string;
}

/** What must hold for a write to happen: the record's seq is one of these, or `any`: it exists, `none`: it does not. */
export type Precondition = readonly number[] | 'any' | 'none';

/**
 * Looks at one record in the transaction that changes it, and throws when that must not be. `before` is absent where
 * there is none, `after` where there will be none; for a message both are the record that it is about.
 */
export type WriteCheck = (before: JsonRecord | undefined, after: JsonRecord | undefined) => void;

/** What a write has of whoever makes it. */
interface Guarded {
  readonly guard?: WriteCheck | undefined;
  /** Whom the audit log names; without it, code in the server. Only tables with `@audit` ask for it. */
  readonly by?: Actor | undefined;
  /** Where several records were sent: stands before the fields in errors of this one. */
  readonly place?: Place | undefined;
}

export type Write =
  | ({ readonly type: 'create'; readonly table: TablePlan; readonly id: RecordKey; readonly cells: Cells } & Guarded)
  | ({
      readonly type: 'put' | 'patch';
      readonly table: TablePlan;
      readonly id: RecordKey;
      readonly cells: Cells;
      readonly precondition?: Precondition | undefined;
      /** Fields, by their index, that stay as they are in a record that exists. */
      readonly keep?: readonly number[] | undefined;
    } & Guarded)
  | ({
      readonly type: 'delete';
      readonly table: TablePlan;
      readonly id: RecordKey;
      readonly precondition?: Precondition | undefined;
      /** Milliseconds since 1970: delete only when the record's time had passed by then. */
      readonly expiredAt?: number;
    } & Guarded)
  | ({
      readonly type: 'publish';
      readonly table: TablePlan;
      readonly id: RecordKey | null;
      readonly data: string;
      /** The outcome's `json`: what the publisher is told besides, kept for a repetition. */
      readonly answer?: string;
      /** The log keeps the record as it is, for those who may hear of some records only. */
      readonly withRecord?: boolean;
    } & Guarded)
  | BulkWrite;

/** One write for every record that matches when it is committed; without a filter, for all. Its outcome is one. */
export type BulkWrite = {
  readonly table: TablePlan;
  readonly filter: Filter | undefined;
  /** More records than this are refused, and none is changed. */
  readonly limit: number;
  /** Errors name the key of the record that they are about: its writer may read it. */
  readonly named?: boolean;
} & Guarded &
  ({ readonly type: 'patch-where'; readonly cells: Cells } | { readonly type: 'delete-where' });

export interface WriteOutcome {
  readonly id: RecordKey | null;
  /** The change's seq; of a write that changed nothing, the seq the record had. */
  readonly seq: number;
  readonly created: boolean;
  /** False when the record was like that already: nothing was stored and nobody is told. */
  readonly changed: boolean;
  /** The record after the write, `''` after a delete, `{"matched","changed"}` after a bulk write. */
  readonly json: string;
  /** It is the outcome of an earlier write with the same key: this time nothing was done. */
  readonly replayed?: boolean;
}

/** Writes that happen all or not at all. */
export type WriteGroup = readonly Write[];

/** By what a write that is sent again is known. */
export interface IdempotencyKey {
  /** Unique for the request, whoever sends it: the sender's key with the sender's scope. */
  readonly key: string;
  /** Of the whole request: another request with the same key is refused. */
  readonly hash: string;
}

/** A group whose outcomes are kept in its transaction, and given again instead of writing again. */
export interface IdempotentGroup {
  readonly once: IdempotencyKey;
  readonly writes: WriteGroup;
}

export interface CommitResult {
  /** One per group: its outcomes, or why it was refused. A refused group leaves its neighbours alone. */
  readonly results: readonly (readonly WriteOutcome[] | AppError)[];
  /** Everything that was committed, in seq order. */
  readonly changes: readonly Change[];
  /** Position of the log before the changes. */
  readonly after: number;
}

/** One page of a list. */
export interface ListPage {
  /** JSON array of the records. */
  readonly json: string;
  /** Cursor of the next page, when there is one. */
  readonly next?: string;
  /** How many records match in all, when the query asks for it. */
  readonly total?: number;
}

/**
 * Reads the records of a table. Nothing here checks access: `resources` has done so. A read has every change up to
 * `lastSeq` as that was when it was asked for; it may have later ones, and may be answered when there are yet later ones.
 */
export interface RecordReader {
  get(table: TablePlan, id: RecordKey): Awaitable<StoredRecord | undefined>;
  /**
   * One page of the records that match. In the order of a list null comes before any value, texts go by code points, and
   * the primary key decides between equal ones. Throws SCAN_TOO_LARGE for a query that no index of the schema serves.
   */
  list(table: TablePlan, query: ListQuery): Awaitable<ListPage>;
  /** The same records whole, whatever the query selects. Throws SCAN_TOO_LARGE. */
  records(table: TablePlan, query: ListQuery): Awaitable<readonly StoredRecord[]>;
  /** Up to `limit` records in primary-key order after `after` (from the start when undefined). */
  page(table: TablePlan, after: RecordKey | undefined, limit: number): Awaitable<readonly StoredRecord[]>;
}

/** Reads related records, for frames that show them. */
export interface RelatedReader {
  /**
   * Returns JSON text of what a relation stands for: `null` or a record, or for many an array of at most 1000. `key` is
   * the cell of its `from` field, or with `to` the record's key.
   */
  related(selected: SelectedRelation, key: Cell): Awaitable<string>;
}

/**
 * Reads the log. The positions that are no promises are kept in memory: they have moved when a commit or `trim` is answered,
 * at the earliest with the entries that they are about.
 */
export interface LogReader {
  /**
   * seq of the newest entry of any table; a reader that has read to its end is at this position. Greater than 0 in a new
   * store too, and the same when the store is opened again.
   */
  readonly lastSeq: number;
  /**
   * False when this store, as it is now, has surely never given out the position: it is another one's, or from a future
   * that was lost when an older state was put back. True for every position that it did give out, whatever became of it,
   * and for the one just before an entry.
   */
  wasIssued(position: number): Awaitable<boolean>;
  /** seq of the table's newest entry, also when that was removed; without any, the position at which the table was made. */
  lastTableSeq(table: TablePlan): number;
  /**
   * Whoever has the table's state of this seq or a later one has that of now with the changes after it. Before it
   * entries are gone, or the schema was another one: then the records are others, which no entry tells.
   */
  resumeFloor(table: TablePlan): number;
  /** After this seq every entry of the table is there, also those of an earlier schema. */
  logStart(table: TablePlan): number;
  /** Records of the table with this seq or an older one may look otherwise than when they got it: the schema was another. */
  layoutSeq(table: TablePlan): number;
  /**
   * Up to `limit` entries after `after`, in order; with `id` those of one record. Fewer than `limit`: it has all up to
   * `lastSeq` as that was when they were asked for.
   */
  readLog(table: TablePlan, after: number, limit: number, id?: RecordKey): Awaitable<readonly Change[]>;
}

/** Which steps of a migration may lose data: all, none, or those of these names. */
export type Allowance = boolean | readonly string[];

export interface StoreOptions {
  /** Absolute path of the data directory. */
  readonly dir: string;
  readonly durability: 'full' | 'normal';
  readonly events: LogRetentionConfig;
  /** Records of a table that a query may look at one by one. */
  readonly largestScan: number;
  /** Bytes of memory for records that were read last. */
  readonly recordCache: number;
  readonly idempotency: IdempotencyConfig;
  readonly audit: AuditConfig;
  readonly allowDestructive: Allowance;
  /** Receives failures, and says whether the files are in their place. */
  readonly health?: StorageHealth;
  /** One sentence for each change of the schema that was made. */
  onNotice?(sentence: string): void;
  /** One sentence for what to look after: records of a table that has left the schema. */
  onWarning?(sentence: string): void;
}

export interface Store extends RecordReader, RelatedReader, LogReader {
  /**
   * Writes the groups and their log entries in one transaction and returns once they are as durable as configured. Commits
   * happen in the order in which they are asked for. Throws AppError STORAGE_BUSY or STORAGE_FULL, or whatever a write
   * throws that is no AppError, when the transaction as a whole failed: then nothing was written.
   */
  commit(groups: readonly (WriteGroup | IdempotentGroup)[]): Awaitable<CommitResult>;
  /** True when the outcomes of a write with this key are kept, whatever its hash: sent again, it is not made. */
  isStored(once: IdempotencyKey): Awaitable<boolean>;
  /** Keys of records whose time has passed at `now` (milliseconds), at most `limit`, from the earliest time on. */
  expired(table: TablePlan, now: number, limit: number): Awaitable<readonly RecordKey[]>;
  /** Undefined as long as no table had `@audit`. */
  readonly audit: AuditReader | undefined;
  /**
   * Removes the oldest log entries, audit entries and kept outcomes past retention, at most `limit` of each; true when some
   * may be left. Commits may remove log entries that are too many as well.
   */
  trim(now: number, limit: number): Awaitable<boolean>;
  close(): Awaitable<void>;
}
