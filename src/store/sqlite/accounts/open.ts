import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { StoreOpenError } from '../../open-errors.ts';
import { describeOpenError } from '../database/open.ts';

/** Milliseconds that opening waits for another process that is opening or writing at this moment. */
const OPEN_TIMEOUT = 5000;

/** What each version of the file added to the one before; a file says how many of these it has. */
const STEPS: readonly string[] = [
  `CREATE TABLE users (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, password TEXT NOT NULL, roles TEXT NOT NULL,
    claims TEXT NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE keys (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL, name TEXT NOT NULL, sub TEXT NOT NULL, roles TEXT NOT NULL,
    claims TEXT NOT NULL, created INTEGER NOT NULL, revoked INTEGER
  ) STRICT`,
  `CREATE TABLE sessions (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users, hash BLOB NOT NULL, created INTEGER NOT NULL,
    expires INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX sessions_user ON sessions (user_id, created);
  CREATE INDEX sessions_expires ON sessions (expires)`,
  // The token before the last one, with what the last one was made of and when.
  `ALTER TABLE sessions ADD COLUMN previous BLOB;
  ALTER TABLE sessions ADD COLUMN nonce BLOB;
  ALTER TABLE sessions ADD COLUMN rotated INTEGER`,
];

/** Opens the file, creates it or brings it up to date. Throws StoreOpenError with a sentence for people. */
export function openAccountDatabase(file: string, busyTimeout: number): Database.Database {
  try {
    // Password hashes are nobody else's business; SQLite gives its other files the same permissions.
    closeSync(openSync(file, 'a', 0o600));
    const db = new Database(file, { timeout: OPEN_TIMEOUT });
    try {
      prepare(db, file);
      db.pragma(`busy_timeout = ${busyTimeout}`);
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw describe(file, error);
  }
}

function prepare(db: Database.Database, file: string): void {
  // Before anything is written: a foreign file stays as it is.
  readVersion(db, file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  // Two processes may be here at once; the second one finds the work done.
  db.transaction(() => migrate(db, readVersion(db, file))).immediate();
}

/** How many steps the file has; 0 when it is new. */
function readVersion(db: Database.Database, file: string): number {
  const names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
  if (names.length === 0) return 0;
  if (!names.includes('tablecast_accounts')) {
    throw new StoreOpenError(`${file} is a database of another program. It was left as it is; move it away.`);
  }
  const version = db.prepare('SELECT version FROM tablecast_accounts').pluck().get() as number | undefined;
  if (version === undefined || version > STEPS.length) {
    throw new StoreOpenError(`${file} was written by a newer version of Tablecast. It was left as it is.`);
  }
  return version;
}

function migrate(db: Database.Database, version: number): void {
  if (version === STEPS.length) return;
  if (version === 0) db.exec('CREATE TABLE tablecast_accounts (version INTEGER NOT NULL) STRICT');
  for (const step of STEPS.slice(version)) db.exec(step);
  db.exec('DELETE FROM tablecast_accounts');
  db.prepare('INSERT INTO tablecast_accounts VALUES (?)').run(STEPS.length);
}

function describe(file: string, error: unknown): unknown {
  if (!(error instanceof Database.SqliteError) || !/^SQLITE_(?:NOTADB|CORRUPT)/.test(error.code)) {
    return describeOpenError(file, error);
  }
  const advice = `Put a backup in its place, or move it away (with ${file}-wal and ${file}-shm) to start without users and keys.`;
  return new StoreOpenError(`${file} is damaged, or no database. It was left as it is. ${advice}`, { cause: error });
}
