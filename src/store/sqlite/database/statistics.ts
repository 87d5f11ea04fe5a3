import type { Database } from 'better-sqlite3';

/** Keeps what the planner has learned of the data, for the next start. */
export function keepStatistics(db: Database): void {
  db.pragma('optimize');
  forgetSamples(db);
}

/**
 * Leaves of the planner's statistics the sizes and takes away the samples of values. With samples SQLite plans by the
 * values of parameters, and for that it would plan a list anew whenever it is asked for.
 */
export function forgetSamples(db: Database): void {
  const isThere = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4'").get() !== undefined;
  if (!isThere || db.prepare('SELECT 1 FROM sqlite_stat4').get() === undefined) return;
  // They are read with the schema: this connection has them until it reads the statistics again.
  db.exec('DELETE FROM sqlite_stat4; ANALYZE sqlite_schema');
}
