import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { StoreOpenError } from '../../open-errors.ts';
import { describeOpenError } from './open.ts';

/** Milliseconds for which opening waits for another process that opens or writes the file. */
const OPEN_TIMEOUT_MS = 5000;

export interface VersionedFile {
  readonly path: string;
  /** Name of the table that stores the version; a database without it is of another program. */
  readonly versionTable: string;
  /** SQL that each version adds to the one before; the version of a file is the number of steps that it has. */
  readonly steps: readonly string[];
  readonly synchronous: 'FULL' | 'NORMAL';
  /** Milliseconds for which a call waits while another process writes. */
  readonly busyTimeout: number;
  /** Sentence for people about a damaged file: what to do, and what that loses. */
  readonly advice: string;
}

/** Opens the file, creates it or upgrades it. Throws StoreOpenError when that is not possible; then it was not changed. */
export function openVersioned(file: VersionedFile): Database.Database {
  const { path, busyTimeout } = file;
  try {
    // The content is private; SQLite gives its other files the same permissions.
    closeSync(openSync(path, 'a', 0o600));
    const db = new Database(path, { timeout: OPEN_TIMEOUT_MS });
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

function prepare(db: Database.Database, file: VersionedFile): void {
  // Before anything is written: a file of another program is not changed.
  const version = readVersion(db, file);
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${file.synchronous}`);
  db.pragma('foreign_keys = ON');
  if (version === file.steps.length) return;
  // Two processes may be here at once: the second one reads the version that the first one has written.
  db.transaction(() => upgrade(db, file, readVersion(db, file))).immediate();
}

/** Returns the number of steps that the file has; 0 when it is new. */
function readVersion(db: Database.Database, { path, versionTable, steps }: VersionedFile): number {
  const names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
  if (names.length === 0) return 0;
  if (!names.includes(versionTable)) {
    throw new StoreOpenError(`${path} is a database of another program. It was left as it is; move it away.`);
  }
  const version = db.prepare(`SELECT version FROM ${versionTable}`).pluck().get() as number | undefined;
  if (version === undefined || version > steps.length) {
    throw new StoreOpenError(`${path} was written by a newer version of Tablecast. It was left as it is.`);
  }
  return version;
}

function upgrade(db: Database.Database, { versionTable, steps }: VersionedFile, version: number): void {
  if (version === steps.length) return;
  if (version === 0) db.exec(`CREATE TABLE ${versionTable} (version INTEGER NOT NULL) STRICT`);
  for (const step of steps.slice(version)) db.exec(step);
  db.exec(`DELETE FROM ${versionTable}`);
  db.prepare(`INSERT INTO ${versionTable} VALUES (?)`).run(steps.length);
}

function describe({ path, advice }: VersionedFile, error: unknown): unknown {
  if (!(error instanceof Database.SqliteError) || !/^SQLITE_(?:NOTADB|CORRUPT)/.test(error.code)) {
    return describeOpenError(path, error);
  }
  return new StoreOpenError(`${path} is damaged, or no database. It was left as it is. ${advice}`, { cause: error });
}
