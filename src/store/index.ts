import type { StorageEngine } from './engine.ts';

/** Engines by name. A driver is loaded only when its engine is used. */
const ENGINES = {
  sqlite: async (): Promise<StorageEngine> => (await import('./sqlite/engine.ts')).sqliteEngine,
} as const;

export type EngineName = keyof typeof ENGINES;

/** Engine of applications that do not name one. */
export const DEFAULT_ENGINE: EngineName = 'sqlite';

export function loadEngine(name: EngineName = DEFAULT_ENGINE): Promise<StorageEngine> {
  return ENGINES[name]();
}
