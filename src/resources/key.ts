import { AppError } from '../errors.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { RecordKey } from '../store/store.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to refuse.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Decimal literal of an integer: a number has one literal, so that a record has one URL. */
const LITERAL = /^(?:0|-?[1-9]\d*)$/;

/** Returns the problem with a value as the table's key, or undefined. `maxLength` counts characters. */
export function keyProblem(table: TablePlan, value: unknown, maxLength: number): string | undefined {
  if (isNumeric(table)) return Number.isSafeInteger(value) ? undefined : 'must be an integer within ±(2^53−1)';
  if (typeof value !== 'string') return 'must be a string';
  if (value === '') return 'must not be empty';
  if (value.length > maxLength && [...value].length > maxLength) return `must have at most ${maxLength} characters`;
  if (!value.isWellFormed()) return 'must be well-formed Unicode';
  return CONTROL.test(value) ? 'must not have control characters' : undefined;
}

/** Like `keyProblem`, for a record that may be created: existing records may have keys that were allowed once. */
export function newKeyProblem(table: TablePlan, value: unknown, maxLength: number): string | undefined {
  return keyProblem(table, value, maxLength) ?? stepProblem(value);
}

/**
 * Returns the problem with a key that URLs lose (RFC 3986 §5.2.4): clients resolve these segments as steps in a path,
 * percent-encoded too.
 */
export function stepProblem(key: unknown): string | undefined {
  return key === '.' || key === '..' ? 'must not be "." or "..", which URLs cannot name' : undefined;
}

/**
 * Reads a key in a record: as in other fields, a number may come as its literal. An invalid value is returned as it is.
 */
export function readKey(table: TablePlan, value: unknown): unknown {
  return typeof value === 'string' && isNumeric(table) && LITERAL.test(value) ? Number(value) : value;
}

/** Returns the key that a decoded path segment names. Throws INVALID_ID. */
export function parseKey(table: TablePlan, segment: string, maxLength: number): RecordKey {
  const value = readKey(table, segment) as RecordKey;
  const problem = keyProblem(table, value, maxLength);
  if (problem !== undefined) throw new AppError('INVALID_ID', `The id ${problem}.`);
  return value;
}

/** Checks a key in a message or step. Throws INVALID_ID. */
export function parseKeyValue(table: TablePlan, given: unknown, maxLength: number): RecordKey {
  const problem = keyProblem(table, given, maxLength);
  if (problem !== undefined) throw new AppError('INVALID_ID', `The id ${problem}.`);
  return given as RecordKey;
}

export function isNumeric({ primaryKey: { type } }: TablePlan): boolean {
  return type.kind === 'scalar' && (type.name === 'Int' || type.name === 'Long');
}
