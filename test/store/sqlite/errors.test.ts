import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { constraintError, storageError } from '../../../src/store/sqlite/database/errors.ts';

function failure(code: string, message = 'why'): Error {
  return new Database.SqliteError(message, code);
}

describe('a failure of the database', () => {
  test.each([
    ['SQLITE_BUSY', 'STORAGE_BUSY'],
    ['SQLITE_BUSY_SNAPSHOT', 'STORAGE_BUSY'],
    ['SQLITE_LOCKED', 'STORAGE_BUSY'],
    ['SQLITE_FULL', 'STORAGE_FULL'],
    ['SQLITE_READONLY', 'STORAGE_FULL'],
    ['SQLITE_READONLY_DBMOVED', 'STORAGE_FULL'],
    ['SQLITE_IOERR_WRITE', 'STORAGE_FULL'],
    ['SQLITE_CANTOPEN', 'STORAGE_FULL'],
  ])('%s is %s for the client', (code, expected) => {
    const cause = failure(code);
    expect(storageError(cause)).toMatchObject({ code: expected, status: 503, cause });
  });

  test('that is a bug of ours stays what it is', () => {
    for (const error of [failure('SQLITE_ERROR'), failure('SQLITE_CORRUPT'), new TypeError('x'), undefined]) {
      expect(storageError(error)).toBe(error);
      expect(constraintError(error)).toBeUndefined();
    }
  });
});

describe('a constraint', () => {
  test.each([
    ['SQLITE_CONSTRAINT_UNIQUE', 'UNIQUE constraint failed: data/T.email', 'CONFLICT', 'email'],
    ['SQLITE_CONSTRAINT_UNIQUE', 'UNIQUE constraint failed: my.db/T.a, my.db/T.b', 'CONFLICT', 'a', 'b'],
    ['SQLITE_CONSTRAINT_PRIMARYKEY', 'UNIQUE constraint failed: my.db/T.id', 'CONFLICT', 'id'],
    ['SQLITE_CONSTRAINT_NOTNULL', 'NOT NULL constraint failed: data/T.title', 'VALIDATION_ERROR', 'title'],
    ['SQLITE_CONSTRAINT_DATATYPE', 'cannot store TEXT value in INTEGER column data/T.n', 'VALIDATION_ERROR', 'record'],
  ])('%s (%s) is %s of %s', (code, message, expected, ...fields) => {
    const errors = fields.map((field) => ({ field }));
    expect(constraintError(failure(code, message))).toMatchObject({ code: expected, errors });
  });
});
