import { recordNotFound } from '../../errors.ts';
import type { JsonRecord, RelatedTest } from '../../query/index.ts';
import type { FieldPlan } from '../../schema/plan.ts';
import type { Actor, AuditedOp } from '../audit.ts';
import { type Expiry, stampOf } from '../expiry.ts';
import type { Cell, Change, RecordKey, WriteOutcome } from '../store.ts';
import { applyChanges, isChange } from './cell-change.ts';
import type { Row, WritableRows } from './row.ts';
import { UNCHANGED } from './row-rules.ts';
import { type BulkWrite, checkPrecondition, type Write } from './write.ts';

/** Open transaction: its clock, and its changes so far, in order. */
export interface Transaction {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly changes: Change[];
  nextSeq(): number;
}

/** Change of a record with its author, as the audit log has it. */
export interface AuditedWrite {
  readonly write: { readonly id: RecordKey; readonly by?: Actor | undefined };
  readonly before?: readonly Cell[];
  readonly after?: readonly Cell[];
}

/** Writer of one table's audit entries, in the open transaction. */
export interface AuditWriter {
  append(seq: number, op: AuditedOp, change: AuditedWrite): void;
}

/** Watch over the references from and to the records of one table, in the open transaction. */
export interface ReferenceWatch {
  /** Called before a row is stored, with the keys that it has. Throws VALIDATION_ERROR for one without a record. */
  storing(row: readonly Cell[], before: Row | undefined, write: RecordWrite): void;
  /** Called after a record was removed. */
  removed(write: DeleteWrite): void;
}

/** Context of the writes to one table. */
export interface WriteContext {
  readonly table: WritableRows;
  readonly expiry: Expiry | undefined;
  /** Writer of audit entries, for a table with `@audit`. */
  readonly audit: AuditWriter | undefined;
  /** Undefined for a table without references. */
  readonly references?: ReferenceWatch | undefined;
  /** Decides on records that are related to one of this table, as they are in the transaction. */
  readonly related: RelatedTest;
  readonly transaction: Transaction;
}

/** Write of one record, or of none: a message. */
export type OneWrite = Exclude<Write, BulkWrite | { readonly type: 'check-table' }>;
type RecordWrite = Extract<OneWrite, { cells: unknown }>;
type WholeWrite = Exclude<RecordWrite, { type: 'patch' }>;
export type DeleteWrite = Extract<Write, { type: 'delete' }>;
type RecordCheck = Extract<Write, { type: 'check' }>;
type PublishWrite = Extract<Write, { type: 'publish' }>;

/**
 * Applies one write inside the open transaction, and adds its change to that. Throws AppError when the write cannot be
 * made (absent, exists, precondition), and the driver's error when a constraint of the database is broken.
 */
export function applyWrite(context: WriteContext, write: OneWrite): WriteOutcome {
  if (write.type === 'publish') return publish(context, write);
  // The primary key refuses a record that exists, so it need not be read first.
  if (write.type === 'create') return insert(context, write);
  if (write.type === 'check') return check(context, write);
  const before = context.table.get(write.id);
  checkPrecondition(before?.at(-1) as number | undefined, write.precondition);
  if (write.type === 'delete') return remove(context, write, before);
  if (before === undefined) {
    if (write.type === 'patch') throw recordNotFound(write.id);
    return insert(context, write);
  }
  return replace(context, write, before);
}

function insert(context: WriteContext, write: WholeWrite): WriteOutcome {
  const { table, transaction } = context;
  const row = write.cells.map((cell) => cell ?? null);
  stamp(row, stampsToSet(table.createdStamps, write), context);
  stamp(row, stampsToSet(table.updatedStamps, write), context);
  table.computed.apply(row);
  write.guard?.(undefined, toRecord(table.codec.toJson(row)), context.related);
  table.rules.check(row);
  context.references?.storing(row, undefined, write);
  const seq = transaction.nextSeq();
  table.insert(row, seq, context.expiry?.(row, transaction.now) ?? null);
  const json = table.codec.toJson(row);
  context.audit?.append(seq, 'create', { write, after: row });
  transaction.changes.push({ seq, table: table.plan, op: 'create', id: write.id, data: json, before: null });
  return { id: write.id, seq, created: true, changed: true, json };
}

function replace(context: WriteContext, write: RecordWrite, before: Row): WriteOutcome {
  const { table, transaction } = context;
  const row = nextRow(context, write, before);
  const changes = write.type === 'patch' ? applyChanges(write.cells, row, table.plan.fields) : UNCHANGED;
  let changed = changedIndexes(before, row);
  const isSame = changed.length === 0;
  if (!isSame && table.setsFields) {
    stamp(row, stampsToSet(table.updatedStamps, write), context);
    table.computed.apply(row);
    changed = changedIndexes(before, row);
  }
  const json = table.codec.toJson(row);
  write.guard?.(toRecord(table.codec.toJson(before)), toRecord(json), context.related);
  if (!isSame || changes.problems.length > 0) table.rules.check(row, changes);
  if (isSame) return { id: write.id, seq: before[row.length] as number, created: false, changed: false, json };
  context.references?.storing(row, before, write);
  const seq = transaction.nextSeq();
  table.update(row, changed, seq, context.expiry?.(row, transaction.now) ?? null);
  const previous = table.codec.partToJson(before, changed);
  context.audit?.append(seq, 'update', { write, before, after: row });
  transaction.changes.push({ seq, table: table.plan, op: 'update', id: write.id, data: json, before: previous });
  return { id: write.id, seq, created: false, changed: true, json };
}

function remove(context: WriteContext, write: DeleteWrite, before: Row | undefined): WriteOutcome {
  const { table, transaction } = context;
  if (before === undefined || !isStillExpired(table, write)) throw recordNotFound(write.id);
  const previous = table.codec.toJson(before);
  write.guard?.(toRecord(previous), undefined, context.related);
  const seq = transaction.nextSeq();
  table.delete(write.id);
  context.audit?.append(seq, 'delete', { write, before });
  const data = keyToJson(table.plan.primaryKey, write.id);
  transaction.changes.push({ seq, table: table.plan, op: 'delete', id: write.id, data, before: previous });
  context.references?.removed(write);
  return { id: write.id, seq, created: false, changed: true, json: '' };
}

function check(context: WriteContext, { id, guard, precondition }: RecordCheck): WriteOutcome {
  const { table } = context;
  const row = table.get(id);
  if (row !== undefined && guard !== undefined) {
    const record = toRecord(table.codec.toJson(row));
    guard(record, record, context.related);
  }
  const seq = row?.at(-1) as number | undefined;
  checkPrecondition(seq, precondition);
  return { id, seq: seq ?? 0, created: false, changed: false, json: '' };
}

function publish(context: WriteContext, write: PublishWrite): WriteOutcome {
  const { id, data, answer = '', guard, withRecord = false } = write;
  const { table, transaction } = context;
  const row = id === null || (guard === undefined && !withRecord) ? undefined : table.get(id);
  const before = row === undefined ? null : table.codec.toJson(row);
  if (guard !== undefined) {
    const record = before === null ? undefined : toRecord(before);
    guard(record, record, context.related);
  }
  const seq = transaction.nextSeq();
  transaction.changes.push({ seq, table: table.plan, op: 'publish', id, data, before });
  return { id, seq, created: false, changed: true, json: answer };
}

/**
 * Returns the row after the write: PUT replaces all fields but those that only the server sets, PATCH those that were sent.
 * Operators are not applied yet.
 */
function nextRow({ table }: WriteContext, write: RecordWrite, before: Row): Cell[] {
  const { cells, type } = write;
  const row: Cell[] = [];
  for (let index = 0; index < cells.length; index++) {
    const cell = cells[index];
    if (isChange(cell)) row.push(before[index] as Cell);
    else row.push(cell ?? (cell === undefined && type === 'patch' ? (before[index] as Cell) : null));
  }
  for (const index of stampsToSet(table.createdStamps, write)) row[index] = before[index] as Cell;
  for (const index of stampsToSet(table.updatedStamps, write)) row[index] = before[index] as Cell;
  if ('keep' in write) for (const index of write.keep ?? []) row[index] = before[index] as Cell;
  for (const index of table.computed.indexes) row[index] = before[index] as Cell;
  return row;
}

/** Returns the fields with times that the write does not bring along. */
function stampsToSet(indexes: readonly number[], { imported, cells }: RecordWrite): readonly number[] {
  return imported ? indexes.filter((index) => (cells[index] ?? null) === null) : indexes;
}

function changedIndexes(before: Row, row: Row): number[] {
  const changed: number[] = [];
  for (let place = 0; place < row.length; place++) if (row[place] !== before[place]) changed.push(place);
  return changed;
}

function toRecord(json: string): JsonRecord {
  return JSON.parse(json) as JsonRecord;
}

function stamp(row: Cell[], indexes: readonly number[], { table, transaction }: WriteContext): void {
  for (const index of indexes) row[index] = stampOf(table.plan.fields[index] as FieldPlan, transaction.now);
}

/** False when the record was refreshed after it was found to be expired: it stays. */
function isStillExpired(table: WritableRows, { id, expiredAt }: DeleteWrite): boolean {
  if (expiredAt === undefined) return true;
  const time = table.expiresAt(id);
  return time !== null && time <= expiredAt;
}

export function keyToJson(key: FieldPlan, id: string | number | null): string {
  return `{${JSON.stringify(key.name)}:${JSON.stringify(id)}}`;
}

/** Marks the changes from index `start` on as those of one transaction, and their outcomes, when there are several. */
export function markTransaction(changes: Change[], start: number, outcomes: WriteOutcome[]): void {
  if (changes.length - start < 2) return;
  const transaction = changes.at(-1)?.seq as number;
  for (let i = start; i < changes.length; i++) changes[i] = { ...(changes[i] as Change), transaction };
  for (const [i, outcome] of outcomes.entries()) if (outcome.changed) outcomes[i] = { ...outcome, transaction };
}
