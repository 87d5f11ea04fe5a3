import { AppError } from '../../../errors.ts';
import { DamagedStoreError, StoreOpenError } from '../../open-errors.ts';
import { type PgAddress, shownAddress } from './address.ts';

/** Error of the server, as the driver gives it. */
interface ServerError extends Error {
  /** Five characters of SQLSTATE, or the code of a failed system call. */
  readonly code?: string;
  readonly severity?: string;
  readonly constraint?: string;
  readonly column?: string;
}

const RETRY_SOON = { 'retry-after': '1' };
const AWAY = /^(?:08|57P0|53300)/;
const FULL = /^(?:53100|53200|25006)/;
const BUSY = /^(?:55P03|40001|40P01|57014|25P0[34])/;

/** Returns the SQLSTATE of an error of the server; undefined for any other error. */
export function stateOf(error: unknown): string | undefined {
  const { severity, code } = error as ServerError;
  return severity === undefined ? undefined : code;
}

/** Returns the name of the constraint that a write broke. */
export function constraintOf(error: unknown): string | undefined {
  return stateOf(error) === '23505' ? (error as ServerError).constraint : undefined;
}

/** True when the connection to the server is gone, or the server takes none: what was sent may have happened. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof AppError) return false;
  const state = stateOf(error);
  if (state !== undefined) return AWAY.test(state) || state === '25P03' || state === '25P04';
  const { code = '', message } = error as ServerError;
  return /^E[A-Z]+$/.test(code) || /connection|terminated|not queryable|timeout expired/i.test(message);
}

/** True when another transaction holds a row for too long, or the server asks to try again. */
export function isBusy(error: unknown): boolean {
  return BUSY.test(stateOf(error) ?? '');
}

/** Returns the client's error for a statement that failed as a whole; internal errors are returned unchanged. */
export function storageError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (isAway(error)) return away(error);
  if (isBusy(error)) {
    return new AppError('STORAGE_BUSY', 'Another transaction holds the records; try again.', {
      headers: RETRY_SOON,
      cause: error,
    });
  }
  if (FULL.test(stateOf(error) ?? '')) {
    return new AppError('STORAGE_FULL', 'The storage is full or cannot be written; reads go on.', { cause: error });
  }
  return error;
}

/** Returns the error of a database that does not answer. */
export function away(cause: unknown): AppError {
  return new AppError('STORAGE_BUSY', 'The database cannot be reached at the moment; try again.', {
    headers: RETRY_SOON,
    cause,
  });
}

/** Describes an error of opening a store for people; errors that do not concern the database are returned unchanged. */
export function describeOpenError(address: PgAddress, error: unknown): unknown {
  if (error instanceof DamagedStoreError) {
    const message = `${shownAddress(address)} cannot be used: ${error.message}. Nothing was changed.`;
    return new DamagedStoreError(message, { cause: error });
  }
  if (error instanceof StoreOpenError || !(error instanceof Error)) return error;
  const because = (sentence: string) =>
    new StoreOpenError(`${shownAddress(address)} ${sentence} Check store in config.yaml.`, { cause: error });
  const state = stateOf(error) ?? '';
  if (/^28/.test(state)) return because('does not accept this user and password.');
  if (state === '3D000') return because('does not exist: create the database first.');
  if (state === '42501') return because(`may not be used by this user (${error.message}).`);
  if (state === '25006') return because('is read-only.');
  if (/^SASL|password must be a string/.test(error.message))
    return because('asks for a password, and the URL has none.');
  if (isAway(error)) return because(`cannot be reached (${reasonOf(error)}).`);
  return state === '' ? error : because(`cannot be used: ${error.message} (${state}). Nothing was changed.`);
}

function reasonOf(error: Error): string {
  const { errors } = error as AggregateError;
  return error.message === '' && errors !== undefined ? errors.map(String).join('; ') : error.message;
}
