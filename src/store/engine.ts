import type { Plan } from '../schema/plan.ts';
import type { AccountStore, AccountStoreOptions } from './accounts.ts';
import type { FlowStore, FlowStoreOptions } from './flows.ts';
import type { Allowance, Awaitable, Store, StoreOptions } from './store.ts';

/** What a plan would do to what is stored. */
export interface MigrationPreview {
  /** Why it would be refused, for people; undefined when it would not be. */
  readonly refusal: string | undefined;
  /** No allowance would help. */
  readonly impossible: boolean;
  /** Names of the steps that lose data and are not allowed. */
  readonly losing: readonly string[];
  /** Names of all steps that have one, also of those that lose nothing. */
  readonly names: readonly string[];
  /** There is something to be changed. */
  readonly pending: boolean;
}

export type PreviewOptions = Pick<StoreOptions, 'dir'> & { readonly allowed: Allowance };

/**
 * A database that Tablecast can keep an application in. One folder implements it; nothing outside that folder knows
 * the driver or its SQL. `test/suites/store.ts` holds what every engine must do.
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
