import { AppError } from '../../errors.ts';
import { placeOfKey } from '../placed-error.ts';
import type { RecordKey, WriteOutcome } from '../store.ts';
import type { OneWrite } from './apply-write.ts';
import type { BulkWrite } from './write.ts';

/** Returns the error of a bulk write that matches more records than it may change. */
export function tooManyRecords(count: number, limit: number): AppError {
  return new AppError(
    'BAD_REQUEST',
    `${count} records match, and one request changes at most ${limit} (limits.bulk): narrow the filter.`,
  );
}

/** Throws PRECONDITION_FAILED where another number of records matches than the writer has seen. */
export function checkExpected(count: number, { expected }: BulkWrite): void {
  if (expected === undefined || expected === count) return;
  const match = count === 1 ? '1 record matches' : `${count} records match`;
  throw new AppError('PRECONDITION_FAILED', `${match}, and not ${expected} (expect): nothing was changed.`);
}

/** Write of one of the selected records. */
export type SelectedWrite = Extract<OneWrite, { type: 'patch' | 'delete' | 'put' }>;

export function writeOf(write: BulkWrite, id: RecordKey): SelectedWrite {
  const { table, guard, by } = write;
  const place = write.named ? placeOfKey(id) : undefined;
  if (write.type === 'delete-where') return { type: 'delete', table, id, guard, by, place };
  const index = table.fields.indexOf(table.primaryKey);
  return { type: 'patch', table, id, cells: write.cells.with(index, id), guard, by, place };
}

/** Returns the outcome of a bulk write: one for all its records. */
export function sumUp(outcomes: readonly WriteOutcome[], lastSeq: number): WriteOutcome {
  const changed = outcomes.filter((outcome) => outcome.changed).length;
  const json = JSON.stringify({ matched: outcomes.length, changed });
  return {
    id: null,
    seq: outcomes.findLast((outcome) => outcome.changed)?.seq ?? lastSeq,
    created: false,
    changed: changed > 0,
    json,
  };
}
