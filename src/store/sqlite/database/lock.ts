import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { StoreOpenError } from '../../open-errors.ts';

/** File that names the process which has the directory, or had it last. */
export const HOLDER_FILE = 'server.json';

/** Lock on a data directory. The kernel releases it when the process ends, even when it is killed. */
export interface DirectoryLock {
  release(): void;
}

/** Error of a data directory that another process has locked. */
export class DirectoryInUseError extends StoreOpenError {
  constructor(dir: string, holder: string) {
    super(`The data directory ${dir} is in use by ${holder}. Stop it, or give this one another data_dir.`);
    this.name = 'DirectoryInUseError';
  }
}

/**
 * Locks the data directory for this process. The lock is SQLite's own file lock on an otherwise empty database, since
 * Node has no flock; a pid file alone would be stale after a kill and wrong after the pid is used again. Throws
 * DirectoryInUseError, and StoreOpenError when the lock file cannot be used.
 */
export function lockDirectory(dir: string): DirectoryLock {
  mkdirSync(dir, { recursive: true });
  const holderFile = join(dir, HOLDER_FILE);
  const file = join(dir, 'server.lock');
  const db = openLock(file);
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (isBusy(error)) throw new DirectoryInUseError(dir, describeHolder(holderFile));
    throw lockError(file, error);
  }
  writeFileSync(holderFile, `${JSON.stringify({ pid: process.pid, started: new Date().toISOString() })}\n`);
  return { release: () => db.close() };
}

function openLock(file: string): Database.Database {
  try {
    return new Database(file, { timeout: 0 });
  } catch (error) {
    throw lockError(file, error);
  }
}

function lockError(file: string, error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const message = `${file} cannot be locked (${error.message}). Check who owns the folder; the file itself may be removed.`;
  return new StoreOpenError(message, { cause: error });
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

function describeHolder(file: string): string {
  try {
    const { pid, started } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; started: string };
    return `process ${pid} (started ${started})`;
  } catch {
    // The holder may have the lock and not have written the file yet.
    return 'another process';
  }
}
