import type { Filter } from '../query/index.ts';
import type { Plan, TablePlan } from '../schema/plan.ts';
import type { AccountStore, AccountStoreOptions } from './accounts.ts';
import type { FlowStore, FlowStoreOptions } from './flows.ts';
import type { Allowance, Awaitable, Change, RecordKey, Store, StoreOptions } from './store.ts';

/** Step of a migration with its effect on the stored records, for people and programs. */
export interface PreviewedStep {
  /** Kind of the step: `rename-column`. */
  readonly type: string;
  /** Name by which a step that loses data is allowed. */
  readonly name?: string;
  readonly sentence: string;
  /**
   * Effect on the records: all values stay, nulls are filled in, values are lost or changed, records are left without a
   * type, or the step cannot be made.
   */
  readonly effect: 'keeps' | 'fills' | 'loses' | 'changes' | 'leaves' | 'impossible';
  /** Number of records, or for a unique index of values, that it concerns; 0 where all values stay. */
  readonly records: number;
  /** Number and examples as text. */
  readonly found?: string;
  /** Where the step cannot be made: what to change first. */
  readonly advice?: string;
}

/** Effects that a migration to a plan would have. */
export interface MigrationPreview {
  /** Reason of a refusal, for people; undefined when the migration would be made. */
  readonly refusal: string | undefined;
  /** True when no allowance would make the migration possible. */
  readonly impossible: boolean;
  /** Names of the steps that lose data and are not allowed. */
  readonly losing: readonly string[];
  /** Names of all steps that have one, including those that lose nothing. */
  readonly names: readonly string[];
  /** Every step, in the order in which they are made. */
  readonly steps: readonly PreviewedStep[];
  /** True when there are changes to make. */
  readonly pending: boolean;
}

/** Record of a snapshot. */
export interface SnapshotRecord {
  readonly id: RecordKey | bigint;
  /** JSON text with all fields, hidden ones too. */
  readonly json: string;
}

export interface SnapshotPage {
  readonly filter?: Filter | undefined;
  /** Key that the records follow; undefined from the start. */
  readonly after: SnapshotRecord['id'] | undefined;
  readonly limit: number;
}

/** All records as they were at one position. Writes go on beside it and do not show. */
export interface StoreSnapshot {
  /** Newest position at that time. */
  readonly position: number;
  /** Returns up to `limit` records in the order of their primary keys. */
  page(table: TablePlan, page: SnapshotPage): Awaitable<readonly SnapshotRecord[]>;
  count(table: TablePlan, filter: Filter | undefined): Awaitable<number>;
  /** Returns the oldest position from which the later entries lead to these records, as `LogReader.resumeFloor`. */
  resumeFloor(table: TablePlan): Awaitable<number>;
  /** Returns up to `limit` entries of the table's log after `after`, in order. */
  readLog(table: TablePlan, after: number, limit: number): Awaitable<readonly Change[]>;
  close(): Awaitable<void>;
}

export interface BackupOptions {
  /** Data directory. */
  readonly dir: string;
  /** File to write, which must not exist. */
  readonly to: string;
  /** Id of the application, which the file has in it. */
  readonly appId: string;
  onProgress?(done: number, total: number): void;
}

/** Content of a backup file. */
export interface BackupReport {
  readonly appId: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Newest position in it. */
  readonly position: number;
  /** Names of the databases in it. */
  readonly parts: readonly string[];
  readonly bytes: number;
}

export interface RestoreOptions {
  readonly from: string;
  /** Data directory. Throws StoreOpenError while a server has it. */
  readonly dir: string;
  /** Replaces databases that are there; they are kept in a folder of their own. */
  readonly replace: boolean;
  /** Bytes that are copied from the backup, and all. */
  onProgress?(done: number, total: number): void;
}

export interface RestoreReport extends BackupReport {
  /** Folder with the databases that were replaced. */
  readonly kept: string | undefined;
}

/** Backups of an embedded engine: one file with the databases of an application. */
export interface BackupEngine {
  /** Writes a backup while a server runs or not, and checks it. Throws StoreOpenError. */
  backUp(options: BackupOptions): Awaitable<BackupReport>;
  /** Puts a backup in place. Throws StoreOpenError; run again after a crash, it finishes. */
  restore(options: RestoreOptions): Awaitable<RestoreReport>;
}

export type PreviewOptions = Pick<StoreOptions, 'dir'> & { readonly allowed: Allowance };

/**
 * Database engine that can store an application. One folder implements it; nothing outside that folder knows the driver
 * or its SQL. `test/suites/store.ts` tests what every engine must do.
 */
export interface StorageEngine {
  /**
   * Opens records, log and audit log, and migrates them to the plan. Throws MigrationRefusedError where that is impossible
   * or would lose data that may not be lost, and StoreOpenError while another store has the directory open.
   */
  openRecords(plan: Plan, options: StoreOptions): Awaitable<Store>;
  /** Opens users, API keys and sessions, which other processes may have open at the same time. */
  openAccounts(options: AccountStoreOptions): Awaitable<AccountStore>;
  /** Opens dead letters and positions of flows. */
  openFlows(options: FlowStoreOptions): Awaitable<FlowStore>;
  /** Returns what `openRecords` would do to the store in the folder; undefined where there is none. Changes nothing. */
  previewMigration(plan: Plan, options: PreviewOptions): Awaitable<MigrationPreview | undefined>;
  /**
   * Opens a snapshot of the records, while a server has them open or not; undefined where there is no store. Throws
   * StoreOpenError when the schema is not as stored.
   */
  openSnapshot(plan: Plan, options: Pick<StoreOptions, 'dir'>): Awaitable<StoreSnapshot | undefined>;
  /** Undefined where backups are made by the database server. */
  readonly backups?: BackupEngine;
  /** Commands of the database server that make and restore backups, for people; undefined where `backups` does. */
  readonly backupCommands?: string;
}
