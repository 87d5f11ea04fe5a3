import type { Plan } from '../schema/plan.ts';
import type { AccountStore, AccountStoreOptions } from './accounts.ts';
import type { FlowStore, FlowStoreOptions } from './flows.ts';
import type { Allowance, Awaitable, Store, StoreOptions } from './store.ts';

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
}
