import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadEngine } from '../../../src/store/index.ts';
import { DamagedStoreError, StoreOpenError } from '../../../src/store/open-errors.ts';
import { describeOpenError } from '../../../src/store/sqlite/database/open.ts';
import type { Allowance } from '../../../src/store/store.ts';
import { planOf } from '../../schema/mistakes.ts';
import { insert, StoreFolder } from '../stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey n: Int }';

/** A closed store with some records. */
function stored(): StoreFolder {
  const folder = new StoreFolder();
  insert(folder.open(SDL), ...Array.from({ length: 200 }, (_, n) => [`r${n}`, n] as const));
  folder.close();
  return folder;
}

function refusal(folder: StoreFolder): unknown {
  try {
    folder.open(SDL);
  } catch (error) {
    return error;
  }
  throw new Error('it was opened');
}

describe('a store that is damaged', () => {
  test('is refused when it is no database, and left as it is', () => {
    const folder = new StoreFolder();
    const text = 'this is no database. '.repeat(100);
    writeFileSync(folder.file, text);
    const error = refusal(folder);
    expect(error).toBeInstanceOf(DamagedStoreError);
    expect(String(error)).toContain('it is not a database. It was left as it is.');
    expect(readFileSync(folder.file, 'utf8')).toBe(text);
  });

  test('is refused when a page of it is wrong, and left as it is', () => {
    const folder = stored();
    const bytes = readFileSync(folder.file);
    bytes.fill(0x5a, 8192, 12_288);
    writeFileSync(folder.file, bytes);
    expect(refusal(folder)).toBeInstanceOf(DamagedStoreError);
    expect(readFileSync(folder.file).equals(bytes)).toBe(true);
  });

  test('is refused when its write-ahead log is there without it', () => {
    const folder = stored();
    rmSync(folder.file);
    writeFileSync(`${folder.file}-wal`, Buffer.alloc(100, 1));
    expect(String(refusal(folder))).toContain('its write-ahead log is there');
    expect(existsSync(`${folder.file}-wal`)).toBe(true);
  });

  test('is refused when the head of its write-ahead log is wrong, and not when it is empty', () => {
    const folder = stored();
    writeFileSync(`${folder.file}-wal`, Buffer.alloc(100, 1));
    expect(String(refusal(folder))).toContain('its write-ahead log is damaged');
    writeFileSync(`${folder.file}-wal`, Buffer.alloc(100, 0));
    expect(folder.open(SDL).store.lastSeq).toBeGreaterThan(0);
  });

  test('can be opened again once it is mended', () => {
    const folder = stored();
    const good = readFileSync(folder.file);
    writeFileSync(folder.file, 'nothing of the kind '.repeat(10));
    refusal(folder);
    writeFileSync(folder.file, good);
    expect(folder.open(SDL).store.lastSeq).toBeGreaterThan(0);
  });
});

test('a store that another process writes to is refused', () => {
  const folder = stored();
  const db = new Database(folder.file, { timeout: 0 });
  onTestFinished(() => void db.close());
  db.exec('BEGIN EXCLUSIVE');
  expect(() => folder.open(SDL.replace('n: Int', 'n: Int m: Int'))).toThrow('is locked by another process');
});

test.each([
  ['SQLITE_NOTADB', 'It was left as it is.'],
  ['SQLITE_CORRUPT_INDEX', 'It was left as it is.'],
  ['SQLITE_BUSY', 'is locked by another process'],
  ['SQLITE_FULL', 'there is no room left'],
  ['SQLITE_READONLY', 'check who owns it'],
  ['SQLITE_CANTOPEN', 'check who owns it'],
  ['SQLITE_ERROR', 'cannot be used: why (SQLITE_ERROR)'],
])('%s is explained with "%s"', (code, words) => {
  const error = describeOpenError('/data/data.db', new Database.SqliteError('why', code));
  expect(error).toBeInstanceOf(StoreOpenError);
  expect(String(error)).toContain(words);
  expect(String(error)).toContain('/data/data.db');
});

test('a fault of ours is not explained away', () => {
  const fault = new TypeError('x');
  expect(describeOpenError('/data/data.db', fault)).toBe(fault);
});

test('whether a plan would be taken is told without changing anything', async () => {
  const folder = stored();
  const before = folder.contents();
  const engine = await loadEngine();
  const preview = (sdl: string, allowed: Allowance) => {
    return engine.previewMigration(planOf(sdl), { dir: folder.dir, allowed });
  };
  expect(await preview(SDL, false)).toMatchObject({ refusal: undefined, losing: [], pending: false });
  const other = 'type T @table { id: ID! @primaryKey }';
  const refused = await preview(other, false);
  expect(refused).toMatchObject({ impossible: false, losing: ['T.n'], names: ['T.n'], pending: true });
  expect(refused?.refusal).toContain('Nothing was changed.');
  expect(await preview(other, ['T.n'])).toMatchObject({ refusal: undefined, losing: [], pending: true });
  expect(folder.contents()).toEqual(before);
});
