import { closeSync, existsSync, linkSync, openSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import type { BackupOptions, BackupReport } from '../../engine.ts';
import { StoreOpenError } from '../../open-errors.ts';
import { describeOpenError } from '../database/open.ts';
import { newestPosition } from '../log/layout.ts';
import { readStored } from '../migrate/saved.ts';
import { checkDatabase, OTHER_DATABASES, RECORDS_DATABASE, writeParts } from './file.ts';

/** Pages that are copied between two reports of progress. */
const STEP_PAGES = 2000;

/**
 * Writes all databases of an application into one file. The databases beside the records are copied first: their
 * positions are never ahead of the log. The file appears under its name when it is whole and was checked.
 */
export async function backUp({ dir, to, appId, onProgress }: BackupOptions): Promise<BackupReport> {
  const source = join(dir, RECORDS_DATABASE);
  if (!existsSync(source)) throw new StoreOpenError(`${dir} has no ${RECORDS_DATABASE}: there is nothing to back up.`);
  if (existsSync(to))
    throw new StoreOpenError(`${to} exists. A backup is never written over a file; name another one.`);
  const partial = join(dirname(to), `.${basename(to)}.${process.pid}.part`);
  try {
    const databases = new Map(
      OTHER_DATABASES.filter((name) => existsSync(join(dir, name))).map((name) => [name, readWhole(join(dir, name))]),
    );
    // The content is private.
    closeSync(openSync(partial, 'wx', 0o600));
    const position = await copyRecords(source, partial, onProgress);
    const created = Date.now();
    finish(partial, { manifest: { appId, created, position }, databases });
    // Unlike a rename it fails where another file has the name by now.
    linkSync(partial, to);
    return { appId, created, position, parts: [RECORDS_DATABASE, ...databases.keys()], bytes: statSync(to).size };
  } catch (error) {
    throw describeOpenError(source, error);
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${partial}${end}`, { force: true });
  }
}

function readWhole(file: string): Buffer {
  const db = new Database(file, { readonly: true });
  try {
    checkDatabase(db, file);
    const content = db.serialize();
    // Without a write-ahead log (file format, offset 18): a database in memory cannot have one.
    content.fill(1, 18, 20);
    return content;
  } finally {
    db.close();
  }
}

/** Copies the records as they are at one moment, while a server may write; returns the newest position in the copy. */
async function copyRecords(source: string, to: string, onProgress: BackupOptions['onProgress']): Promise<number> {
  const db = new Database(source, { readonly: true });
  try {
    // A snapshot for the whole copy: without it each write of the server would begin the copy again.
    db.exec('BEGIN');
    const stored = readStored(db);
    const position = newestPosition(db, stored);
    await db.backup(to, {
      progress: ({ totalPages, remainingPages }) => {
        onProgress?.(totalPages - remainingPages, totalPages);
        return STEP_PAGES;
      },
    });
    return position;
  } finally {
    db.close();
  }
}

function finish(file: string, parts: Parameters<typeof writeParts>[1]): void {
  const db = new Database(file);
  try {
    // One file, without a write-ahead log beside it.
    db.pragma('journal_mode = DELETE');
    db.pragma('synchronous = FULL');
    db.transaction(() => writeParts(db, parts))();
    checkDatabase(db, file);
  } finally {
    db.close();
  }
}
