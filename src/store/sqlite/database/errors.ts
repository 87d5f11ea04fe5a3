import Database from 'better-sqlite3';
import { AppError } from '../../../errors.ts';

const FULL = /^SQLITE_(FULL|READONLY|IOERR|CANTOPEN)/;

/** The client's view of a constraint that a write broke, or undefined when the error is something else. */
export function constraintError(error: unknown): AppError | undefined {
  if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_CONSTRAINT')) return undefined;
  // "UNIQUE constraint failed: db/Table.email, db/Table.name" is all that the driver tells about the place.
  const [, places = ''] = /constraint failed: (.*)$/.exec(error.message) ?? [];
  const fields = places.split(', ').map((place) => /\.(\w+)$/.exec(place)?.[1] ?? 'record');
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

/** Why the transaction as a whole failed, for the client; errors that are bugs of ours come back as they are. */
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
