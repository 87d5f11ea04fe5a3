import type { StorageEngine } from '../../../src/store/engine.ts';
import { MemoryDatabase } from './database.ts';
import { LaterStore } from './later-store.ts';
import { takeSnapshot } from './snapshot.ts';
import { MemoryStore } from './store.ts';

export interface MemoryEngineOptions {
  /** Answers are promises that take turns of the event loop, as over a network. */
  readonly later?: boolean;
}

/**
 * An engine for tests: what is stored in a data directory stays as long as the engine object is there, also while the store is
 * closed. It keeps records, log and audit log; accounts and flows, of which there is one implementation, are not its own.
 */
export function memoryEngine({ later = false }: MemoryEngineOptions = {}): StorageEngine {
  const databases = new Map<string, MemoryDatabase>();
  return {
    openRecords: (plan, options) => {
      const database = databases.get(options.dir) ?? new MemoryDatabase();
      database.open(plan, options);
      databases.set(options.dir, database);
      const store = new MemoryStore(database, plan, options);
      return later ? new LaterStore(store) : store;
    },
    openAccounts: () => unsupported('accounts'),
    openFlows: () => unsupported('flows'),
    openSnapshot: (_plan, { dir }) => {
      const database = databases.get(dir);
      return database && takeSnapshot(database);
    },
    previewMigration: (plan, { dir, allowed }) => databases.get(dir)?.preview(plan, allowed),
  };
}

function unsupported(what: string): never {
  throw new Error(`The memory engine keeps no ${what}: open those of the embedded engine.`);
}
