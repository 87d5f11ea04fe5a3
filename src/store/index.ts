import type { AppConfig } from '../config/config.ts';
import type { StorageEngine } from './engine.ts';

/** Settings of an application that tell where it is stored. */
export type StoreLocation = Pick<AppConfig, 'appId' | 'store' | 'storePool' | 'durability' | 'cluster'>;

/** Engines by name. A driver is loaded only when its engine is used. */
const ENGINES = {
  sqlite: async (): Promise<StorageEngine> => (await import('./sqlite/engine.ts')).sqliteEngine,
  postgres: async (location: StoreLocation): Promise<StorageEngine> =>
    (await import('./postgres/engine.ts')).postgresEngineOf(location),
} as const;

/** Loads the engine that stores an application; the default one where no location is given. */
export function loadEngine(location?: StoreLocation): Promise<StorageEngine> {
  return location?.store === undefined ? ENGINES.sqlite() : ENGINES.postgres(location);
}
