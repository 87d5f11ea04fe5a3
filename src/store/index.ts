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
