import { AppError } from '../../../src/errors.ts';
import { type Place, placeError, placeOfKey } from '../../../src/store/placed-error.ts';
import { type BulkWrite, isBulk, type Write } from '../../../src/store/rows/write.ts';
import type { CommitResult, IdempotentGroup, RecordKey, WriteGroup, WriteOutcome } from '../../../src/store/store.ts';
import type { MemoryDatabase } from './database.ts';
import { matches } from './filter.ts';
import type { MemoryTable, Row } from './table.ts';
import { Transaction } from './transaction.ts';
import { applyWrite } from './write.ts';

type Group = WriteGroup | IdempotentGroup;
type GroupResult = CommitResult['results'][number];

/** Applies the groups one after the other; `retention` is how long outcomes are kept, in milliseconds. */
export function commitGroups(
  database: MemoryDatabase,
  groups: readonly Group[],
  { retention, largestCascade }: { readonly retention: number; readonly largestCascade: number },
): CommitResult {
  const transaction: Transaction = new Transaction(database, largestCascade, (write) => {
    applyWrite(transaction, database.table(write.table), write);
  });
  const start = transaction.mark();
  try {
    const results = groups.map((group) =>
      'once' in group ? applyOnce(transaction, group, retention) : applyGroup(transaction, group),
    );
    for (const { seq } of transaction.changes) database.issue(seq);
    return { results, changes: transaction.changes, after: start.last };
  } catch (error) {
    transaction.undoTo(start);
    throw error;
  }
}

function applyOnce(transaction: Transaction, { once, writes }: IdempotentGroup, retention: number): GroupResult {
  const { database, now, journal } = transaction;
  const result = refusalOr(() => database.outcomes.find(once, now)) ?? applyGroup(transaction, writes);
  const isNew = !(result instanceof AppError) && !result.some(({ replayed }) => replayed);
  if (isNew) database.outcomes.save(once, result, { expires: now + retention, journal });
  return result;
}

function applyGroup(transaction: Transaction, writes: WriteGroup): GroupResult {
  const start = transaction.mark();
  const { references } = transaction;
  references.begin(true);
  const result = refusalOr(() => {
    const outcomes = writes.map((write) => atPlace(write.place, () => applyOne(transaction, write)));
    transaction.answer(references.settle());
    return outcomes;
  });
  if (result instanceof AppError) {
    transaction.undoTo(start);
    return result;
  }
  const mark = transaction.markFrom(start);
  if (mark === undefined) return result;
  return result.map((outcome) => (outcome.changed ? { ...outcome, transaction: mark } : outcome));
}

function refusalOr<T>(run: () => T): T | AppError {
  try {
    return run();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

function atPlace<T>(place: Place | undefined, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof AppError ? placeError(error, place) : error;
  }
}

function applyOne(transaction: Transaction, write: Write): WriteOutcome {
  const table = transaction.database.table(write.table);
  if (write.type === 'check-table') {
    const { lastSeq: seq } = table;
    if (seq > write.since) throw new AppError('PRECONDITION_FAILED', `A record of ${table.plan.name} has changed.`);
    return { id: null, seq, created: false, changed: false, json: '' };
  }
  const outcome = isBulk(write) ? applyBulk(transaction, table, write) : applyWrite(transaction, table, write);
  transaction.answer(transaction.references.follow());
  return outcome;
}

function applyBulk(transaction: Transaction, table: MemoryTable, write: BulkWrite): WriteOutcome {
  const { filter, limit, expected, guard, by } = write;
  const { database } = transaction;
  const rows = table.rows().filter((row) => filter === undefined || matches(filter, { table, row, database }));
  if (rows.length > limit) {
    const message = `${rows.length} records match, and one request changes at most ${limit} (limits.bulk): narrow the filter.`;
    throw new AppError('BAD_REQUEST', message);
  }
  if (expected !== undefined && expected !== rows.length) {
    const message = `${rows.length} records match, and not ${expected} (expect): nothing was changed.`;
    throw new AppError('PRECONDITION_FAILED', message);
  }
  const applyTo = (row: Row): WriteOutcome => {
    const place = write.named ? placeOfKey(table.keyOf(row)) : undefined;
    const common = { table: write.table, id: table.keyOf(row) as RecordKey, guard, by, place };
    if (write.type === 'delete-where') return applyWrite(transaction, table, { type: 'delete', ...common });
    const cells = write.cells.with(table.keyPlace, common.id);
    return applyWrite(transaction, table, { type: 'patch', cells, ...common });
  };
  const outcomes = rows.map((row) =>
    atPlace(write.named ? placeOfKey(table.keyOf(row)) : undefined, () => applyTo(row)),
  );
  const changed = outcomes.filter((outcome) => outcome.changed);
  return {
    id: null,
    seq: changed.at(-1)?.seq ?? transaction.last,
    created: false,
    changed: changed.length > 0,
    json: JSON.stringify({ matched: outcomes.length, changed: changed.length }),
  };
}
