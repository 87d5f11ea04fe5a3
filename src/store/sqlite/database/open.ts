import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { haveWords, stringsOf, toUnits, type Word, wordText } from '../../../query/index.ts';
import { removeForbiddenKeys } from '../../../schema/forbidden-key.ts';
import { DamagedStoreError, StoreOpenError } from '../../open-errors.ts';
import type { StoreOptions } from '../../store.ts';
import { readStored } from '../migrate/saved.ts';
import {
  CLEAN_JSON_FUNCTION,
  NUMBER_FUNCTION,
  UNITS_FUNCTION,
  WORD_TEXT_FUNCTION,
  WORDS_FUNCTION,
} from '../sql/index.ts';

/** Size of a file that is checked whole at every start, in about a tenth of a second. */
const MAX_ALWAYS_CHECKED_BYTES = 64 * 1024 ** 2;
/** Size of a file that is checked whole after an unclean stop; the check of larger ones would take minutes. */
const MAX_CHECKED_BYTES = 1024 ** 3;
const DATABASE_MAGIC = 'SQLite format 3\0';
const WAL_MAGIC = new Set([0x377f0682, 0x377f0683]);
const WAL_HEADER_BYTES = 32;
/**
 * Pages of the write-ahead log (16 MiB) before a checkpoint, during which writers wait for several flushes: with four
 * times SQLite's default of 1000 they wait a quarter as often.
 */
export const CHECKPOINT_PAGES = 4000;

/** Returns the path of the database of records and log in a data directory. */
export function databaseFile(dir: string): string {
  return join(dir, 'data.db');
}

/**
 * Opens the database file, creating it when there is none. Throws DamagedStoreError when it is damaged or foreign: then
 * neither the file nor its write-ahead log was written to.
 */
export function openDatabase(file: string, { durability }: Pick<StoreOptions, 'durability'>): Database.Database {
  inspect(file);
  const db = new Database(file, { timeout: 0 });
  try {
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`);
    db.pragma('journal_size_limit = 67108864');
    db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    db.pragma('cache_size = -65536');
    db.pragma('temp_store = MEMORY');
    registerFunctions(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Describes an error of opening a store for people; errors that do not concern the file are returned unchanged. */
export function describeOpenError(file: string, error: unknown): unknown {
  if (error instanceof DamagedStoreError) return damaged(file, error.message);
  if (!(error instanceof Database.SqliteError)) return error;
  const { code, message } = error;
  const because = (sentence: string) => new StoreOpenError(`${file} ${sentence}`, { cause: error });
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code)) return damaged(file, message);
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return because('is locked by another process; end it, then start again.');
  if (code === 'SQLITE_FULL') return because('cannot be written: there is no room left. Nothing was changed.');
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/.test(code)) {
    return because(`cannot be opened for writing (${message}); check who owns it and its folder.`);
  }
  return because(`cannot be used: ${message} (${code}). Nothing was changed.`);
}

function damaged(file: string, why: string): DamagedStoreError {
  return new DamagedStoreError(
    [
      `${file} cannot be used: ${why.replace(/\.$/, '')}. It was left as it is.`,
      `Put a backup in its place (and remove ${file}-wal and ${file}-shm, if they are there),`,
      'or save what can be read of it: sqlite3 data.db .recover | sqlite3 saved.db',
      'or move all three away to start without records.',
    ].join('\n'),
  );
}

/**
 * Checks the file through a read-only connection: closing a writable one would move the write-ahead log into the damaged
 * file. Throws DamagedStoreError.
 */
function inspect(file: string): void {
  const size = sizeOf(file);
  const walSize = sizeOf(`${file}-wal`);
  if (size === 0) {
    // SQLite would delete that log, and with it every write since the last checkpoint.
    if (walSize > 0) throw new DamagedStoreError('it is empty or missing, but its write-ahead log is there');
    return;
  }
  if (!readStart(file, DATABASE_MAGIC.length).equals(Buffer.from(DATABASE_MAGIC))) {
    throw new DamagedStoreError('it is not a database');
  }
  if (walSize >= WAL_HEADER_BYTES) checkLogHeader(readStart(`${file}-wal`, WAL_HEADER_BYTES));
  // A journal is left by a stop in the very first moments; only a connection that writes can roll it back.
  if (sizeOf(`${file}-journal`) > 0) return;
  const db = new Database(file, { readonly: true, timeout: 0 });
  try {
    readStored(db);
    if (size <= MAX_ALWAYS_CHECKED_BYTES || (walSize > 0 && size <= MAX_CHECKED_BYTES)) checkPages(db);
  } finally {
    db.close();
  }
}

function checkPages(db: Database.Database): void {
  const [first] = db.pragma('quick_check(1)', { simple: false }) as { quick_check: string }[];
  if (first?.quick_check !== 'ok') throw new DamagedStoreError(`it is damaged (${first?.quick_check ?? 'unreadable'})`);
}

/**
 * Checks the header of the write-ahead log: SQLite treats a log with a wrong header as empty and deletes it silently. A
 * header of zeros is what a loss of power leaves before the first commit was acknowledged.
 */
function checkLogHeader(header: Buffer): void {
  if (header.every((byte) => byte === 0)) return;
  const magic = header.readUInt32BE(0);
  const read = (offset: number) => (magic & 1 ? header.readUInt32BE(offset) : header.readUInt32LE(offset));
  let first = 0;
  let second = 0;
  for (let offset = 0; offset < 24; offset += 8) {
    first = (first + read(offset) + second) >>> 0;
    second = (second + read(offset + 4) + first) >>> 0;
  }
  const holds = header.readUInt32BE(24) === first && header.readUInt32BE(28) === second;
  if (!WAL_MAGIC.has(magic) || !holds) throw new DamagedStoreError('its write-ahead log is damaged');
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function readStart(file: string, length: number): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, length, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** Registers the SQL functions that the statements of the query language use. */
export function registerFunctions(db: Database.Database): void {
  db.function(NUMBER_FUNCTION, { deterministic: true }, (value) => (value === null ? null : JSON.stringify(value)));
  db.function(CLEAN_JSON_FUNCTION, { deterministic: true }, (json) =>
    typeof json === 'string' ? removeForbiddenKeys(json) : json,
  );
  db.aggregate(UNITS_FUNCTION, {
    start: (): bigint | undefined => undefined,
    step: (sum: bigint | undefined, value: unknown) => (value === null ? sum : (sum ?? 0n) + toUnits(Number(value))),
    result: (sum: bigint | undefined) => (sum === undefined ? null : String(sum)),
    deterministic: true,
  });
  db.function(WORDS_FUNCTION, { deterministic: true }, (text, isList, words) => {
    if (typeof text !== 'string') return 0;
    return haveWords(stringsOf(text, Number(isList) === 1), JSON.parse(words as string) as readonly Word[]) ? 1 : 0;
  });
  db.function(WORD_TEXT_FUNCTION, { deterministic: true }, (text, isList) =>
    typeof text === 'string' ? wordText(stringsOf(text, Number(isList) === 1)) : '',
  );
}

/** Saves the planner's statistics for the next start. */
export function keepStatistics(db: Database.Database): void {
  db.pragma('optimize');
  forgetSamples(db);
}

/**
 * Removes the samples of values from the planner's statistics; the sizes stay. With samples SQLite plans by the values of
 * parameters, and would plan a list again for every request.
 */
export function forgetSamples(db: Database.Database): void {
  const isThere = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4'").get() !== undefined;
  if (!isThere || db.prepare('SELECT 1 FROM sqlite_stat4').get() === undefined) return;
  // This connection has read them with the schema, and uses them until it reads the statistics again.
  db.exec('DELETE FROM sqlite_stat4; ANALYZE sqlite_schema');
}
