import type { Plan } from '../schema/plan.ts';
import type { AccountStore, AccountStoreOptions } from './accounts.ts';
import type { FlowStore, FlowStoreOptions } from './flows.ts';
import type { Allowance, Awaitable, Store, StoreOptions } from './store.ts';

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
