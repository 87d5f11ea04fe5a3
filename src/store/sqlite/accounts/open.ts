import type { Database } from 'better-sqlite3';
import { openVersioned } from '../database/versioned.ts';

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
  // The token before the last one, and the nonce and time of the exchange for the last one.
  `ALTER TABLE sessions ADD COLUMN previous BLOB;
  ALTER TABLE sessions ADD COLUMN nonce BLOB;
  ALTER TABLE sessions ADD COLUMN rotated INTEGER`,
];

/** Opens the database of accounts, creates it or upgrades it. Throws StoreOpenError. */
export function openAccountDatabase(path: string, busyTimeout: number): Database {
  return openVersioned({
    path,
    versionTable: 'tablecast_accounts',
    steps: STEPS,
    synchronous: 'FULL',
    busyTimeout,
    advice: `Put a backup in its place, or move it away (with ${path}-wal and ${path}-shm) to start without users and keys.`,
  });
}
