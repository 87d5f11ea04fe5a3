import type { Plan } from '../schema/plan.ts';
import type { AccountStore, AccountStoreOptions } from './accounts.ts';
import type { FlowStore, FlowStoreOptions } from './flows.ts';
import type { Awaitable, Store, StoreOptions } from './store.ts';

/**
 * A database that Tablecast can keep an application in. One folder implements it; nothing outside that folder knows
 * the driver or its SQL. `test/suites/store.ts` holds what every engine must do.
 */
export interface StorageEngine {
  /** Opens records, log and audit log, and migrates them to the plan. Throws StartError when that would lose data. */
  openRecords(plan: Plan, options: StoreOptions): Awaitable<Store>;
  /** Opens users, API keys and sessions, which other processes may have open at the same time. */
  openAccounts(options: AccountStoreOptions): Awaitable<AccountStore>;
  /** Opens dead letters and positions of flows. */
  openFlows(options: FlowStoreOptions): Awaitable<FlowStore>;
  /** Returns why `openRecords` would refuse the plan, for people; undefined when it would not. Changes nothing. */
  previewMigration(plan: Plan, dir: string): Awaitable<string | undefined>;
}
