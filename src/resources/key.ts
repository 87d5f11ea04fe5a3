import { AppError } from '../errors.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { RecordKey } from '../store/store.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to refuse.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** A number has one literal, so that a record has one address. */
const LITERAL = /^(?:0|-?[1-9]\d*)$/;

/** What is wrong with a value as the table's key, or undefined. `maxLength` counts characters. */
export function keyProblem(table: TablePlan, value: unknown, maxLength: number): string | undefined {
  if (isNumeric(table)) return Number.isSafeInteger(value) ? undefined : 'must be an integer within ±(2^53−1)';
  if (typeof value !== 'string') return 'must be a string';
  if (value === '') return 'must not be empty';
  if (value.length > maxLength && [...value].length > maxLength) return `must have at most ${maxLength} characters`;
  if (!value.isWellFormed()) return 'must be well-formed Unicode';
  return CONTROL.test(value) ? 'must not have control characters' : undefined;
}

/** As `keyProblem`, for the key of a record that may be made: those that are there may have what was allowed once. */
export function newKeyProblem(table: TablePlan, value: unknown, maxLength: number): string | undefined {
  return keyProblem(table, value, maxLength) ?? stepProblem(value);
}

/** What URLs lose on their way (RFC 3986 §5.2.4): clients take these segments for steps in a path, percent-encoded too. */
export function stepProblem(key: unknown): string | undefined {
  return key === '.' || key === '..' ? 'must not be "." or "..", which URLs cannot name' : undefined;
}

/** A key in a record: as values of every other field, a number may come as its literal. What is wrong stays wrong. */
export function readKey(table: TablePlan, value: unknown): unknown {
  return typeof value === 'string' && isNumeric(table) && LITERAL.test(value) ? Number(value) : value;
}

/** The key that a (decoded) path segment names. Throws INVALID_ID. */
export function parseKey(table: TablePlan, segment: string, maxLength: number): RecordKey {
  const value = readKey(table, segment) as RecordKey;
  const problem = keyProblem(table, value, maxLength);
  if (problem !== undefined) throw new AppError('INVALID_ID', `The id ${problem}.`);
  return value;
}

export function isNumeric({ primaryKey: { type } }: TablePlan): boolean {
  return type.kind === 'scalar' && (type.name === 'Int' || type.name === 'Long');
}
