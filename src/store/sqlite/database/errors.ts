import Database from 'better-sqlite3';
import { AppError } from '../../../errors.ts';

const FULL = /^SQLITE_(FULL|READONLY|IOERR|CANTOPEN)/;

/** Returns the client's error for a constraint that a write broke; undefined when the error is another one. */
export function constraintError(error: unknown): AppError | undefined {
  if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_CONSTRAINT')) return undefined;
  // The driver names the columns only in the message: "UNIQUE constraint failed: db/Table.email, db/Table.name".
  const [, columns = ''] = /constraint failed: (.*)$/.exec(error.message) ?? [];
  const fields = columns.split(', ').map((column) => /\.(\w+)$/.exec(column)?.[1] ?? 'record');
  const field = fields.join(', ');
  if (error.code === 'SQLITE_CONSTRAINT_UNIQUE' || error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY') {
    const message = fields.length > 1 ? `${field} together are taken by another record` : 'is taken by another record';
    const detail = fields.length > 1 ? message : `${field}: ${message}`;
    const errors = fields.map((name) => ({ field: name, message }));
    return new AppError('CONFLICT', `${detail}.`, { errors, cause: error });
  }
  const message = 'cannot be stored';
  return new AppError('VALIDATION_ERROR', `${field}: ${message}.`, { errors: [{ field, message }], cause: error });
}

/** Returns the client's error for a transaction that failed as a whole; internal errors are returned unchanged. */
export function storageError(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  if (error.code.startsWith('SQLITE_BUSY') || error.code === 'SQLITE_LOCKED') {
    return new AppError('STORAGE_BUSY', 'The database is locked by another process; try again.', { cause: error });
  }
  if (FULL.test(error.code)) {
    return new AppError('STORAGE_FULL', 'The storage is full or cannot be written; reads go on.', { cause: error });
  }
  return error;
}
