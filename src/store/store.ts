import type { AuditConfig, IdempotencyConfig, LogRetentionConfig } from '../config/config.ts';
import type { AppError } from '../errors.ts';
import type {
  Filter,
  GroupTotals,
  JsonRecord,
  ListQuery,
  QueryPlan,
  RelatedCondition,
  SelectedRelation,
} from '../query/index.ts';
import type { FieldPlan, TablePlan } from '../schema/plan.ts';
import type { AuditReader } from './audit.ts';
import type { Write } from './rows/write.ts';
import type { SharedStore } from './shared-store.ts';
import type { StorageHealth } from './storage-health.ts';

/** Value or a promise of it: the embedded store returns at once, a remote one later. */
export type Awaitable<T> = T | Promise<T>;

/** Primary key of a record, as JSON has it. */
export type RecordKey = string | number;

/** Value of one column. Booleans are 0 and 1, dates ISO text, lists and objects JSON text. */
export type Cell = string | number | bigint | null;

export type Op = 'create' | 'update' | 'delete' | 'publish';

/** Committed entry of the log. */
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
   * the record that it is about where that decides which subscribers receive it.
   */
  readonly before: string | null;
  /**
   * Transaction of the change: the seq of its last change, in whatever table. Undefined for a change that was made alone.
   * The changes of a transaction have consecutive places in the log: none of another write is between them.
   */
  readonly transaction?: number | undefined;
}

/** Stored record with its JSON text, as clients receive it. */
export interface StoredRecord {
  readonly id: RecordKey;
  /** seq of its last change. */
  readonly seq: number;
  readonly json: string;
}

export interface WriteOutcome {
  readonly id: RecordKey | null;
  /** seq of the change; of a write that changed nothing, the seq that the record had. */
  readonly seq: number;
  readonly created: boolean;
  /** False when the record was the same already: nothing was stored and no change is delivered. */
  readonly changed: boolean;
  /** JSON text of the record after the write, `''` after a delete or a check, `{"matched","changed"}` after a bulk write. */
  readonly json: string;
  /** Transaction of the change, as in its log entry; undefined for a change that was made alone. */
  readonly transaction?: number;
  /** True for the outcome of an earlier write with the same key: this time nothing was written. */
  readonly replayed?: boolean;
}

/** Writes that happen all or not at all. When they make several changes, these have the mark of a transaction. */
export type WriteGroup = readonly Write[];

/** Identification of a write that may be sent again. */
export interface IdempotencyKey {
  /** Key that is unique among all senders: the client's key with the client's scope. */
  readonly key: string;
  /** Hash of the whole request: another request with the same key is refused. */
  readonly hash: string;
}

/** Group whose outcomes are stored in its transaction, and returned instead of writing again. */
export interface IdempotentGroup {
  readonly once: IdempotencyKey;
  readonly writes: WriteGroup;
}

export interface CommitResult {
  /** Result of each group: its outcomes, or the error of its refusal. A refused group does not affect the others. */
  readonly results: readonly (readonly WriteOutcome[] | AppError)[];
  /** Committed changes, in seq order. */
  readonly changes: readonly Change[];
  /** Position of the log before the changes. */
  readonly after: number;
}

/** Page of a list. */
export interface ListPage {
  /** JSON array of the records. */
  readonly json: string;
  /** Cursor of the next page, when there is one. */
  readonly next?: string;
  /** Number of records that match in all, when the query asks for it. */
  readonly total?: number;
}

/** Totals of a table's records at one moment. */
export interface Aggregate {
  readonly groups: readonly GroupTotals[];
  /** Position that the totals are of: they have every change up to it, and none after it. */
  readonly seq: number;
}

/**
 * Reads the records of a table. No method checks access: `resources` has done so. A read includes every change up to
 * `lastSeq` at the time of the call; it may include later ones.
 */
export interface RecordReader {
  get(table: TablePlan, id: RecordKey): Awaitable<StoredRecord | undefined>;
  /**
   * Returns one page of the records that match. Null sorts before any value, strings by code points, and the primary key
   * decides between equal values. Throws SCAN_TOO_LARGE for a query that no index of the schema serves.
   */
  list(table: TablePlan, query: ListQuery): Awaitable<ListPage>;
  /** Returns the same records with all fields, regardless of the query's `select`. Throws SCAN_TOO_LARGE. */
  records(table: TablePlan, query: ListQuery): Awaitable<readonly StoredRecord[]>;
  /**
   * Returns the totals of the records that match, by group, in any order; without `group` one, also of no records.
   * Throws SCAN_TOO_LARGE as `records`, also without a filter, and TOO_MANY_GROUPS.
   */
  aggregate(table: TablePlan, query: ListQuery): Awaitable<Aggregate>;
  /** Throws SCAN_TOO_LARGE where `records` would, as far as that is known without waiting for the store. */
  checkScan(table: TablePlan, query: ListQuery): void;
  /** Returns how `list` would find the records. Absent in a store that cannot tell. */
  explain?(table: TablePlan, query: ListQuery): Awaitable<QueryPlan>;
  /** Returns up to `limit` records in primary-key order after `after` (from the start when undefined). */
  page(table: TablePlan, after: RecordKey | undefined, limit: number): Awaitable<readonly StoredRecord[]>;
}

/** Records by the values of one field: a relation, followed from either side. */
export interface RecordsBy {
  readonly field: FieldPlan;
  /** Keys as JSON has them; a record is found when its field has one of them, as the value or in its list. */
  readonly values: readonly RecordKey[];
  /** Condition that the records meet besides. */
  readonly filter?: Filter | undefined;
  /** Maximum of records. */
  readonly limit: number;
}

/** Reads related records, for frames that include them and for conditions on them. */
export interface RelatedReader {
  /**
   * Returns JSON text of a relation's value: `null` or a record, or an array of at most 1000. `key` is
   * the cell of its `from` field, or with `to` the record's key.
   */
  related(selected: SelectedRelation, key: Cell): Awaitable<string>;
  /**
   * True when the relation leads from this record of `table`, as JSON has it, to at least one record that meets the
   * condition. The record itself need not be stored.
   */
  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord): Awaitable<boolean>;
  /** Returns whole records in the order of their keys: the first `limit` of them. */
  recordsBy(table: TablePlan, by: RecordsBy): Awaitable<readonly StoredRecord[]>;
}

/**
 * Reads the log. Positions that are not returned as promises are a local cache: it is current when a commit or `trim` is
 * answered, and never ahead of the entries.
 */
export interface LogReader {
  /**
   * seq of the newest entry of any table: the position of a reader that has read everything. Greater than 0 in a new
   * store too, and the same when the store is opened again.
   */
  readonly lastSeq: number;
  /**
   * False when this store, in its present state, has certainly never issued the position: it is from another store, or
   * from a future that was lost when a backup was restored. True for every position that it did issue, trimmed or not,
   * and for the one just before an entry. `lastSeq` has then reached it.
   */
  wasIssued(position: number): Awaitable<boolean>;
  /** Returns `lastSeq` once it includes everything that was committed before the call, by whatever server. */
  currentSeq(): Awaitable<number>;
  /**
   * True when `lastSeq` has reached the position. A store that several servers share waits for a moment first: another server
   * may be ahead of this one.
   */
  hasReached(position: number): Awaitable<boolean>;
  /** Returns the seq of the table's newest entry, also of a removed one; without any, the position of the table's creation. */
  lastTableSeq(table: TablePlan): number;
  /**
   * Returns the oldest position from which a client may resume: the table's state at that seq plus the later entries is
   * the current state. Before it entries are gone, or the schema differed: then records changed without an entry.
   */
  resumeFloor(table: TablePlan): number;
  /** Returns the seq after which every entry of the table is in the log, including those of an earlier schema. */
  logStart(table: TablePlan): number;
  /** Returns the seq of the last change of the table's layout: records with it or an older one were written in another layout. */
  layoutSeq(table: TablePlan): number;
  /**
   * Returns up to `limit` entries after `after`, in order; with `id` those of one record. Fewer than `limit`: the result
   * has all entries up to `lastSeq` at the time of the call.
   */
  readLog(table: TablePlan, after: number, limit: number, id?: RecordKey): Awaitable<readonly Change[]>;
  /** Returns the last `limit` entries before `before`, the newest first. Fewer than `limit`: the log has no older ones. */
  readLogBack(table: TablePlan, before: number, limit: number): Awaitable<readonly Change[]>;
  /** Set for a store that several servers share; undefined where this one makes all changes. */
  readonly shared?: SharedStore;
}

/** Permission for steps of a migration that lose data: all, none, or those with these names. */
export type Allowance = boolean | readonly string[];

/** Writes of other programs, where the engine can see them. */
export interface ExternalWrites {
  readonly mode: 'publish' | 'refuse';
  /** Maximum of records that one of their transactions may change. */
  readonly maxRecords: number;
  /** Maximum of characters of a key. */
  readonly maxKeyLength: number;
}

export interface StoreOptions {
  /** Absolute path of the data directory. */
  readonly dir: string;
  readonly durability: 'full' | 'normal';
  readonly events: LogRetentionConfig;
  /** Maximum of records of a table that a query may read one by one. */
  readonly largestScan: number;
  /** Maximum of records that are deleted or changed because the record that they refer to is deleted, in one write or group. */
  readonly largestCascade: number;
  /** Bytes of memory for recently read records. */
  readonly recordCache: number;
  readonly idempotency: IdempotencyConfig;
  readonly audit: AuditConfig;
  /** Published, up to a default size of a transaction, where it is not given. */
  readonly externalWrites?: ExternalWrites;
  readonly allowDestructive: Allowance;
  /** Receives failures, and checks that the files are in their place. */
  readonly health?: StorageHealth;
  /** Receives one sentence for each change of the schema that was made. */
  onNotice?(sentence: string): void;
  /** Receives one sentence for each matter to check, such as records of a table that has left the schema. */
  onWarning?(sentence: string): void;
}

export interface Store extends RecordReader, RelatedReader, LogReader {
  /**
   * Writes the groups and their log entries in one transaction and returns once they are as durable as configured. Commits
   * happen in the order in which they are asked for. Throws AppError STORAGE_BUSY or STORAGE_FULL, or whatever a write
   * throws that is no AppError, when the transaction as a whole failed: then nothing was written.
   */
  commit(groups: readonly (WriteGroup | IdempotentGroup)[]): Awaitable<CommitResult>;
  /** True when the outcomes of a write with this key are stored, whatever its hash: sent again, nothing is written. */
  isStored(once: IdempotencyKey): Awaitable<boolean>;
  /** Returns keys of records that have expired by `now` (milliseconds since 1970), at most `limit`, the earliest first. */
  expired(table: TablePlan, now: number, limit: number): Awaitable<readonly RecordKey[]>;
  /** Audit log; undefined as long as no table had `@audit`. */
  readonly audit: AuditReader | undefined;
  /**
   * Removes the oldest log entries, audit entries and stored outcomes past retention, at most `limit` of each. True when
   * some may be left. Commits may remove surplus log entries as well.
   */
  trim(now: number, limit: number): Awaitable<boolean>;
  close(): Awaitable<void>;
}
