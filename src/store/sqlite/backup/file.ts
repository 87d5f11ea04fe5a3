import Database from 'better-sqlite3';
import type { BackupReport } from '../../engine.ts';
import { StoreOpenError } from '../../open-errors.ts';

/**
 * Table of a backup file with what the database of records does not have: the manifest, and the other databases of the
 * application. Names of SQL tables of records have a "/" in them, so that no other table is called so.
 */
const TABLE = 'tablecast_backup';
const MANIFEST = 'manifest';
const VERSION = 1;

/** Databases beside that of the records, which is the file itself. */
export const OTHER_DATABASES = ['auth.db', 'flows.db'] as const;
export const RECORDS_DATABASE = 'data.db';

export type BackupManifest = Pick<BackupReport, 'appId' | 'created' | 'position'> & { readonly version: number };

export interface BackupParts {
  readonly manifest: Omit<BackupManifest, 'version'>;
  readonly databases: ReadonlyMap<string, Buffer>;
}

/** Adds manifest and databases to a copy of the database of records. */
export function writeParts(db: Database.Database, { manifest, databases }: BackupParts): void {
  db.exec(`DROP TABLE IF EXISTS ${TABLE}`);
  db.exec(`CREATE TABLE ${TABLE} (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT`);
  const insert = db.prepare(`INSERT INTO ${TABLE} VALUES (?, ?)`);
  insert.run(MANIFEST, Buffer.from(JSON.stringify({ ...manifest, version: VERSION })));
  for (const [name, content] of databases) insert.run(name, content);
}

/** Reads manifest and databases. Throws StoreOpenError when the file is no backup, or damaged. */
export function readParts(db: Database.Database): BackupParts {
  const isThere = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(TABLE);
  if (isThere === undefined) throw new StoreOpenError(`${db.name} is a database, and no backup of tablecast backup.`);
  const rows = db.prepare(`SELECT name, content FROM ${TABLE}`).raw().all() as [string, Buffer][];
  const databases = new Map(rows);
  const manifest = JSON.parse(String(databases.get(MANIFEST) ?? '{}')) as BackupManifest;
  databases.delete(MANIFEST);
  if (manifest.version !== VERSION) {
    throw new StoreOpenError(`${db.name} was written by a newer version of Tablecast. Restore it with that version.`);
  }
  return { manifest, databases };
}

export function removeParts(db: Database.Database): void {
  db.exec(`DROP TABLE ${TABLE}`);
}

/** Throws StoreOpenError unless every page of the database is whole. */
export function checkDatabase(db: Database.Database, name: string): void {
  const found = db.pragma('integrity_check(1)', { simple: true });
  if (found !== 'ok') throw new StoreOpenError(`${name} is damaged (${String(found)}).`);
}

/** Checks a database that is in memory. Throws StoreOpenError. */
export function checkContent(content: Buffer, name: string): void {
  const db = new Database(content);
  try {
    checkDatabase(db, name);
  } finally {
    db.close();
  }
}
