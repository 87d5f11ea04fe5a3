import { type ListQuery, sumsWhole } from '../../../query/index.ts';
import { both } from '../../../query/view.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { compileFilterSql, type Sql } from './condition.ts';
import { quote, type SqlNames } from './table-names.ts';

const ALIAS = 't';

/** Aggregate function that the store registers: the exact sum of doubles, as text, in units of 2^−1074. */
export const UNITS_FUNCTION = 'tablecast_units';

/**
 * Compiles the statement of totals. A row has the fields of the group, the number of records, and of each field the number of
 * values, the halves of the sum (a whole one is high · 2^32 + low, so that neither overflows) and the ends. It returns one
 * group more than the maximum when there are more.
 */
export function compileAggregateSql(query: ListQuery, table: TablePlan, names: SqlNames): Sql {
  const { aggregate } = query;
  if (aggregate === undefined) throw new Error('The query has no aggregate.');
  const group = aggregate.group.map(({ name }) => `${ALIAS}.${quote(name)}`);
  const totals = aggregate.fields.flatMap(({ field, sum, ends }) => {
    const column = `${ALIAS}.${quote(field.name)}`;
    const halves = sumsWhole(field)
      ? [`sum(${column} >> 32)`, `sum(${column} & 4294967295)`]
      : [`${UNITS_FUNCTION}(${column})`, 'NULL'];
    return [
      `count(${column})`,
      ...(sum ? halves : ['NULL', 'NULL']),
      ...(ends ? [`min(${column})`, `max(${column})`] : ['NULL', 'NULL']),
    ];
  });
  const filter = both(query.filter, query.sees);
  const where = filter && compileFilterSql(filter, { alias: ALIAS, table, names });
  const rows = `SELECT ${[...group, 'count(*)', ...totals].join(', ')} FROM ${names.records(table)} AS ${ALIAS}`;
  const some = where === undefined ? rows : `${rows} WHERE ${where.sql}`;
  const sql = group.length === 0 ? some : `${some} GROUP BY ${group.join(', ')} LIMIT ${aggregate.maxGroups + 1}`;
  return { sql, params: where?.params ?? [] };
}
