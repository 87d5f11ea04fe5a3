import type { Database } from 'better-sqlite3';

/** Saves the planner's statistics for the next start. */
export function keepStatistics(db: Database): void {
  db.pragma('optimize');
  forgetSamples(db);
}

/**
 * Removes the samples of values from the planner's statistics; the sizes stay. With samples SQLite plans by the values of
 * parameters, and would plan a list again for every request.
 */
export function forgetSamples(db: Database): void {
  const isThere = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4'").get() !== undefined;
  if (!isThere || db.prepare('SELECT 1 FROM sqlite_stat4').get() === undefined) return;
  // This connection has read them with the schema, and uses them until it reads the statistics again.
  db.exec('DELETE FROM sqlite_stat4; ANALYZE sqlite_schema');
}
