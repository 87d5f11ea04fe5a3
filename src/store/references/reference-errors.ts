import { AppError, invalidField } from '../../errors.ts';
import type { Reference, TablePlan } from '../../schema/plan.ts';
import type { RecordKey } from '../store.ts';

const MAX_KEY_CHARS = 100;

/** VALIDATION_ERROR for a key without a record. */
export function missingRecord({ field, target }: Reference, key: RecordKey): AppError {
  // A Long may be beyond what JSON and keys hold.
  const text = typeof key === 'string' ? JSON.stringify(key) : String(key);
  const shown = text.length > MAX_KEY_CHARS ? `${text.slice(0, MAX_KEY_CHARS - 1)}…` : text;
  const instead = field.required ? '' : ', or send null';
  return invalidField(
    field.name,
    `there is no record of ${nameOf(target)} with the key ${shown}: create it first, or in the same transaction${instead}`,
  );
}

interface Referring {
  readonly count: number;
  /** Number up to which they were counted. */
  readonly max: number;
  /** False when the record that they refer to would be deleted because another one is. */
  readonly isAsked: boolean;
}

/** CONFLICT for a record that is referred to and may not be deleted. */
export function stillReferred({ table, field, target }: Reference, { count, max, isAsked }: Referring): AppError {
  const some = count > max ? `more than ${max} records` : count === 1 ? '1 record' : `${count} records`;
  const refer = count === 1 ? 'refers' : 'refer';
  const it = count === 1 ? 'it' : 'them';
  const what = isAsked
    ? 'The record cannot be deleted'
    : `A record of ${nameOf(target)} that would be deleted with it cannot be`;
  return new AppError(
    'CONFLICT',
    `${what}: ${some} of ${nameOf(table)} ${refer} to it by ${field.name}. Delete ${it} first, or change ${field.name} there.`,
  );
}

/** CONFLICT for a deletion that would delete or change more records than it may. */
export function cascadeTooLarge(limit: number): AppError {
  return new AppError(
    'CONFLICT',
    `More than ${limit} other records would be deleted or changed with it (limits.cascade): delete some of them first.`,
  );
}

/** CONFLICT for a record that may not be without the key. */
export function ruleBroken({ table, field }: Reference, { message }: AppError): AppError {
  return new AppError('CONFLICT', `A record of ${nameOf(table)} must not have null as ${field.name}: ${message}`);
}

function nameOf({ exportName, name }: TablePlan): string {
  return exportName ?? name;
}
