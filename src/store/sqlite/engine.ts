import type { StorageEngine } from '../engine.ts';

/** Embedded engine: one folder with SQLite databases. Each part is loaded when it is first used. */
export const sqliteEngine: StorageEngine = {
  openRecords: async (plan, options) => (await import('./durable-store.ts')).openEmbeddedStore(plan, options),
  openAccounts: async (options) => (await import('./accounts/accounts.ts')).openSqliteAccounts(options),
  openFlows: async (options) => (await import('./flows.ts')).openSqliteFlows(options),
  previewMigration: async (plan, options) =>
    (await import('./migrate/preview.ts')).previewSqliteMigration(plan, options),
  openSnapshot: async (plan, { dir }) => (await import('./snapshot.ts')).openSqliteSnapshot(plan, dir),
  backups: {
    backUp: async (options) => (await import('./backup/back-up.ts')).backUp(options),
    restore: async (options) => (await import('./backup/restore.ts')).restore(options),
  },
};
