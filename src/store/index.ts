import type { Plan } from '../schema/plan.ts';
import type { Store, StoreOptions } from './store.ts';

type StoreOpener = (plan: Plan, options: StoreOptions) => Store | Promise<Store>;

/** The stores by name; the driver of one is loaded only when it is used. */
const STORE_LOADERS = {
  sqlite: async (): Promise<StoreOpener> => (await import('./sqlite.ts')).openSqliteStore,
} as const;

export async function openStore(name: keyof typeof STORE_LOADERS, plan: Plan, options: StoreOptions): Promise<Store> {
  const open = await STORE_LOADERS[name]();
  return open(plan, options);
}

/** The stores that can tell beforehand whether they would take a plan. */
const PREVIEW_LOADERS = {
  sqlite: async () => (await import('./sqlite-preview.ts')).previewSqliteMigration,
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
