import { AppError } from '../../../src/errors.ts';
import type { JsonRecord } from '../../../src/query/index.ts';
import type { FieldPlan } from '../../../src/schema/plan.ts';
import { stampOf } from '../../../src/store/expiry.ts';
import { applyChanges, isChange } from '../../../src/store/rows/cell-change.ts';
import { ComputedFields } from '../../../src/store/rows/computed.ts';
import { RowRules, UNCHANGED } from '../../../src/store/rows/row-rules.ts';
import type { BulkWrite, Precondition, Write } from '../../../src/store/rows/write.ts';
import type { Cell, WriteOutcome } from '../../../src/store/store.ts';
import { relatedTest } from './filter.ts';
import type { MemoryTable, Row } from './table.ts';
import type { Transaction } from './transaction.ts';
import { normalizeCell, rowToJson } from './values.ts';

type OneWrite = Exclude<Write, BulkWrite | { readonly type: 'check-table' }>;
type RecordWrite = Extract<OneWrite, { cells: unknown }>;
type WholeWrite = Exclude<RecordWrite, { type: 'patch' }>;
type DeleteWrite = Extract<Write, { type: 'delete' }>;
type PublishWrite = Extract<Write, { type: 'publish' }>;

/** Applies a write of one record. Throws AppError when it cannot be made. */
export function applyWrite(transaction: Transaction, table: MemoryTable, write: OneWrite): WriteOutcome {
  if (write.type === 'publish') return publish(transaction, table, write);
  const before = table.get(write.id);
  if (write.type === 'check') {
    const record = before && parse(rowToJson(table.plan.fields, before.cells));
    if (record !== undefined) write.guard?.(record, record, relatedTest(transaction.database, table));
    checkPrecondition(before, write.precondition);
    return { id: write.id, seq: before?.seq ?? 0, created: false, changed: false, json: '' };
  }
  if (write.type === 'create') return insert(transaction, table, write);
  checkPrecondition(before, write.precondition);
  if (write.type === 'delete') return remove(transaction, table, write);
  if (before !== undefined) return replace(transaction, table, { write, before });
  if (write.type === 'patch') throw notFound(write.id);
  return insert(transaction, table, write);
}

function insert(transaction: Transaction, table: MemoryTable, write: WholeWrite): WriteOutcome {
  const after = write.cells.map(normalizeCell);
  setStamps(after, table, { now: transaction.now, kinds: ['created', 'updated'] });
  new ComputedFields(table.plan).apply(after);
  const json = rowToJson(table.plan.fields, after);
  write.guard?.(undefined, parse(json), relatedTest(transaction.database, table));
  new RowRules(table.plan).check(after);
  transaction.references.watch(table.plan)?.storing(after, undefined, write);
  const seq = transaction.record({ table, id: write.id, by: write.by, after });
  return { id: write.id, seq, created: true, changed: true, json };
}

function replace(
  transaction: Transaction,
  table: MemoryTable,
  { write, before }: { readonly write: RecordWrite; readonly before: Row },
): WriteOutcome {
  const { fields } = table.plan;
  const after = nextCells(table, write, before);
  const changes = write.type === 'patch' ? applyChanges(write.cells, after, fields) : UNCHANGED;
  const isSame = after.every((cell, place) => cell === before.cells[place]);
  if (!isSame) {
    setStamps(after, table, { now: transaction.now, kinds: ['updated'] });
    new ComputedFields(table.plan).apply(after);
  }
  const json = rowToJson(fields, after);
  write.guard?.(parse(rowToJson(fields, before.cells)), parse(json), relatedTest(transaction.database, table));
  if (!isSame || changes.problems.length > 0) new RowRules(table.plan).check(after, changes);
  if (isSame) return { id: write.id, seq: before.seq, created: false, changed: false, json };
  transaction.references.watch(table.plan)?.storing(after, [...before.cells, before.seq], write);
  const seq = transaction.record({ table, id: write.id, by: write.by, before, after });
  return { id: write.id, seq, created: false, changed: true, json };
}

function remove(transaction: Transaction, table: MemoryTable, write: DeleteWrite): WriteOutcome {
  const { id, by, guard, expiredAt } = write;
  const before = table.get(id);
  // A record that was written again after it was found expired stays.
  const isDue = expiredAt === undefined || (before?.expires ?? Number.POSITIVE_INFINITY) <= expiredAt;
  if (before === undefined || !isDue) throw notFound(id);
  guard?.(parse(rowToJson(table.plan.fields, before.cells)), undefined, relatedTest(transaction.database, table));
  const seq = transaction.record({ table, id, by, before });
  transaction.references.watch(table.plan)?.removed(write);
  return { id, seq, created: false, changed: true, json: '' };
}

function publish(transaction: Transaction, table: MemoryTable, write: PublishWrite): WriteOutcome {
  const { id, data, answer = '', guard, withRecord = false } = write;
  const row = guard !== undefined || withRecord ? table.get(id) : undefined;
  const before = row === undefined ? null : rowToJson(table.plan.fields, row.cells);
  const record = before === null ? undefined : parse(before);
  guard?.(record, record, relatedTest(transaction.database, table));
  const seq = transaction.publish(table, id, { data, before });
  return { id, seq, created: false, changed: true, json: answer };
}

/** PUT replaces all but what only the server sets; PATCH replaces what was sent. */
function nextCells({ plan }: MemoryTable, write: RecordWrite, before: Row): Cell[] {
  const keep = 'keep' in write ? write.keep : undefined;
  return plan.fields.map(({ stamp, computed }, place) => {
    const old = before.cells[place] ?? null;
    const sent = write.cells[place];
    if (stamp !== undefined || computed !== undefined || keep?.includes(place)) return old;
    if (isChange(sent)) return old;
    return sent === undefined && write.type === 'patch' ? old : normalizeCell(sent);
  });
}

function setStamps(
  cells: Cell[],
  { plan }: MemoryTable,
  { now, kinds }: { readonly now: number; readonly kinds: readonly FieldPlan['stamp'][] },
): void {
  plan.fields.forEach((field, place) => {
    if (field.stamp !== undefined && kinds.includes(field.stamp)) cells[place] = stampOf(field, now);
  });
}

function checkPrecondition(before: Row | undefined, precondition: Precondition | undefined): void {
  if (precondition === undefined) return;
  if (precondition === 'none' ? before === undefined : before !== undefined) {
    if (typeof precondition === 'string' || precondition.includes((before as Row).seq)) return;
  }
  const found = before === undefined ? 'the record does not exist' : `the record is at "${before.seq}"`;
  throw new AppError('PRECONDITION_FAILED', `The condition of the request does not hold: ${found}.`);
}

function notFound(id: string | number): AppError {
  return new AppError('NOT_FOUND', `There is no record with the id ${JSON.stringify(id)}.`);
}

function parse(json: string): JsonRecord {
  return JSON.parse(json) as JsonRecord;
}
