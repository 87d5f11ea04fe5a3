import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { RestoreOptions, RestoreReport } from '../../engine.ts';
import { StoreOpenError } from '../../open-errors.ts';
import { lockDirectory } from '../database/lock.ts';
import { describeOpenError } from '../database/open.ts';
import {
  type BackupParts,
  checkContent,
  checkDatabase,
  OTHER_DATABASES,
  RECORDS_DATABASE,
  readParts,
  removeParts,
} from './file.ts';

/** Ending of the new databases until they are put in place. */
const NEW = '.restored';
/** Bytes that are copied at once. */
const COPY_BYTES = 8 * 1024 ** 2;
const ALL_DATABASES = [...OTHER_DATABASES, RECORDS_DATABASE];

/**
 * Puts the databases of a backup in place. Each replaces the one before it in one step, the records last; until then the
 * data directory can be started as it was. After a crash the restore is run again.
 */
export function restore({ from, dir, replace, onProgress }: RestoreOptions): RestoreReport {
  if (!existsSync(from)) throw new StoreOpenError(`${from} does not exist.`);
  const present = ALL_DATABASES.filter((name) => existsSync(join(dir, name)));
  if (present.length > 0 && !replace) {
    const advice = 'Restore into another data_dir, or replace them with --force: they are kept in a folder beside.';
    throw new StoreOpenError(`${dir} has databases already: ${present.join(', ')}. ${advice}`);
  }
  mkdirSync(dir, { recursive: true });
  const lock = lockDirectory(dir);
  try {
    const parts = unpack(from, dir, onProgress);
    const kept = present.length === 0 ? undefined : keep(dir, present);
    for (const name of ALL_DATABASES) putInPlace(dir, name);
    const { manifest, databases } = parts;
    return {
      ...manifest,
      parts: [RECORDS_DATABASE, ...databases.keys()],
      bytes: statSync(join(dir, RECORDS_DATABASE)).size,
      kept,
    };
  } catch (error) {
    throw describeOpenError(from, error);
  } finally {
    lock.release();
  }
}

/** Writes the databases of the backup beside those in use, and checks them. */
function unpack(from: string, dir: string, onProgress: RestoreOptions['onProgress']): BackupParts {
  for (const name of ALL_DATABASES) rmSync(join(dir, name + NEW), { force: true });
  const records = join(dir, RECORDS_DATABASE + NEW);
  copyFile(from, records, onProgress);
  const db = new Database(records);
  let parts: BackupParts;
  try {
    db.pragma('journal_mode = DELETE');
    db.pragma('synchronous = FULL');
    checkDatabase(db, from);
    parts = readParts(db);
    db.transaction(() => removeParts(db))();
  } catch (error) {
    db.close();
    rmSync(records, { force: true });
    throw error;
  }
  db.close();
  for (const [name, content] of parts.databases) {
    if (!OTHER_DATABASES.some((known) => known === name)) continue;
    checkContent(content, `${from}: ${name}`);
    // The content is private.
    writeFileSync(join(dir, name + NEW), content, { mode: 0o600, flush: true });
  }
  return parts;
}

/** Copies in steps, of which each is reported. */
function copyFile(from: string, to: string, onProgress: RestoreOptions['onProgress']): void {
  const buffer = Buffer.alloc(COPY_BYTES);
  const source = openSync(from, 'r');
  // The content is private.
  const target = openSync(to, 'w', 0o600);
  try {
    const total = fstatSync(source).size;
    for (let done = 0; ; ) {
      const count = readSync(source, buffer);
      if (count === 0) break;
      for (let at = 0; at < count; ) at += writeSync(target, buffer, at, count - at);
      done += count;
      onProgress?.(done, total);
    }
    fsyncSync(target);
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

/** Copies the databases that are replaced into a new folder, with everything that is in their write-ahead logs. */
function keep(dir: string, names: readonly string[]): string {
  const folder = join(dir, `before-restore-${new Date().toISOString().replace(/[:.]/g, '-')}`);
  mkdirSync(folder, { recursive: true });
  for (const name of names) {
    foldLog(join(dir, name));
    for (const end of ['', '-wal']) {
      if (existsSync(join(dir, name + end))) copyFileSync(join(dir, name + end), join(folder, name + end));
    }
  }
  return folder;
}

/** Moves the write-ahead log into its database. A damaged database stays as it is. */
function foldLog(file: string): void {
  try {
    const db = new Database(file);
    try {
      db.pragma('wal_checkpoint(TRUNCATE)');
      db.pragma('journal_mode = DELETE');
    } finally {
      db.close();
    }
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
  }
}

/** A database that the backup does not have is removed: its accounts or positions belong to other records. */
function putInPlace(dir: string, name: string): void {
  const file = join(dir, name);
  for (const end of ['-wal', '-shm']) rmSync(file + end, { force: true });
  if (existsSync(file + NEW)) renameSync(file + NEW, file);
  else rmSync(file, { force: true });
}
