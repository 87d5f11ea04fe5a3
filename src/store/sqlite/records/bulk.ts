import { tooManyRecords } from '../../rows/bulk.ts';
import type { RowLayout } from '../../rows/row.ts';
import type { BulkWrite, RecordKey } from '../../store.ts';
import type { StatementCache } from '../database/statement-cache.ts';
import { compileFilterSql } from '../sql/index.ts';
import { LIMIT } from '../sql/limit.ts';
import { NAMES, quote, recordsName } from '../sql/table-names.ts';

/** Alias of the table in statements, so that no column is ambiguous with those of json_each. */
const ALIAS = 't';

/**
 * Returns the keys of the records that a bulk write changes, in primary-key order, as they are in the open transaction.
 * Throws BAD_REQUEST with their number when there are more than it may change.
 */
export function selectKeys(statements: StatementCache, { plan }: RowLayout, write: BulkWrite): readonly RecordKey[] {
  const where =
    write.filter === undefined
      ? undefined
      : compileFilterSql(write.filter, { table: plan, alias: ALIAS, names: NAMES });
  const params = where?.params ?? [];
  const from = `FROM ${recordsName(plan)} AS ${ALIAS}${where === undefined ? '' : ` WHERE ${where.sql}`}`;
  const key = `${ALIAS}.${quote(plan.primaryKey.name)}`;
  const keys = statements.get(`SELECT ${key} ${from} ORDER BY ${key} ${LIMIT}`).all(...params, write.limit + 1);
  if (keys.length <= write.limit) return keys as RecordKey[];
  const count = statements.get(`SELECT count(*) ${from}`).get(...params) as number;
  throw tooManyRecords(count, write.limit);
}
