import { AppError } from '../../../errors.ts';
import type { BulkWrite, RecordKey, Write, WriteOutcome } from '../../store.ts';
import type { StatementCache } from '../database/statement-cache.ts';
import { compileFilterSql } from '../sql/index.ts';
import { LIMIT } from '../sql/limit.ts';
import { NAMES, quote, recordsName } from '../sql/table-names.ts';
import type { OneWrite } from './apply-write.ts';
import type { SqliteTable } from './table.ts';

/** Alias of the table in statements, so that no column is ambiguous with those of json_each. */
const ALIAS = 't';

export function isBulk(write: Write): write is BulkWrite {
  return write.type === 'patch-where' || write.type === 'delete-where';
}

/**
 * Returns the keys of the records that a bulk write changes, in primary-key order, as they are in the open transaction.
 * Throws BAD_REQUEST with their number when there are more than it may change.
 */
export function selectKeys(statements: StatementCache, { plan }: SqliteTable, write: BulkWrite): readonly RecordKey[] {
  const where =
    write.filter === undefined
      ? undefined
      : compileFilterSql(write.filter, { table: plan, alias: ALIAS, names: NAMES });
  const params = where?.params ?? [];
  const from = `FROM ${recordsName(plan)} AS ${ALIAS}${where === undefined ? '' : ` WHERE ${where.sql}`}`;
  const key = `${ALIAS}.${quote(plan.primaryKey.name)}`;
  const keys = statements.get(`SELECT ${key} ${from} ORDER BY ${key} ${LIMIT}`).all(...params, write.limit + 1);
  if (keys.length <= write.limit) return keys as RecordKey[];
  const count = statements.get(`SELECT count(*) ${from}`).get(...params);
  throw new AppError(
    'BAD_REQUEST',
    `${count} records match, and one request changes at most ${write.limit} (limits.bulk): narrow the filter.`,
  );
}

/** Write of one of the selected records. */
export type SelectedWrite = Extract<OneWrite, { type: 'patch' | 'delete' | 'put' }>;

export function writeOf(write: BulkWrite, id: RecordKey): SelectedWrite {
  const { table, guard, by } = write;
  if (write.type === 'delete-where') return { type: 'delete', table, id, guard, by };
  const index = table.fields.indexOf(table.primaryKey);
  return { type: 'patch', table, id, cells: write.cells.with(index, id), guard, by };
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
