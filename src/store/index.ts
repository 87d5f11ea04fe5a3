import type { Plan } from '../schema/plan.ts';
import type { AccountStore, AccountStoreOptions } from './accounts.ts';
import type { FlowStore, FlowStoreOptions } from './flows.ts';
import type { Store, StoreOptions } from './store.ts';

type StoreOpener = (plan: Plan, options: StoreOptions) => Store | Promise<Store>;

/** The stores by name; the driver of one is loaded only when it is used. */
const STORE_LOADERS = {
  sqlite: async (): Promise<StoreOpener> => (await import('./sqlite/durable-store.ts')).openEmbeddedStore,
} as const;

export async function openStore(name: keyof typeof STORE_LOADERS, plan: Plan, options: StoreOptions): Promise<Store> {
  const open = await STORE_LOADERS[name]();
  return open(plan, options);
}

/** The stores that can tell beforehand whether they would take a plan. */
const PREVIEW_LOADERS = {
  sqlite: async () => (await import('./sqlite/migrate/preview.ts')).previewSqliteMigration,
} as const;

/** Why a store in the folder would refuse the plan, for people; undefined when it would not. Changes nothing. */
export async function previewMigration(
  name: keyof typeof PREVIEW_LOADERS,
  plan: Plan,
  dir: string,
): Promise<string | undefined> {
  const preview = await PREVIEW_LOADERS[name]();
  return preview(plan, dir);
}

const ACCOUNT_LOADERS = {
  sqlite: async () => (await import('./sqlite/accounts/accounts.ts')).openSqliteAccounts,
} as const;

/** Opens users, keys and sessions of the folder, which other processes may have open, too. */
export async function openAccountStore(
  name: keyof typeof ACCOUNT_LOADERS,
  options: AccountStoreOptions,
): Promise<AccountStore> {
  const open = await ACCOUNT_LOADERS[name]();
  return open(options);
}

const FLOW_LOADERS = {
  sqlite: async () => (await import('./sqlite/flows.ts')).openSqliteFlows,
} as const;

/** Opens what the flows of the folder keep. */
export async function openFlowStore(name: keyof typeof FLOW_LOADERS, options: FlowStoreOptions): Promise<FlowStore> {
  const open = await FLOW_LOADERS[name]();
  return open(options);
}
