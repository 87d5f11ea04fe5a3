import { type FieldTotals, type GroupTotals, type ListQuery, sumsWhole } from '../../../query/index.ts';
import { both } from '../../../query/view.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { Cell } from '../../store.ts';
import { compileFilter } from './condition.ts';
import { quote, recordsName } from './names.ts';
import { Params, type PgStatement } from './params.ts';

const ALIAS = 't';
/** Newest position of the same moment as the totals: one statement sees one state. */
const POSITION =
  'greatest(0, (SELECT max(greatest(floor, shape)) FROM tables), (SELECT max(seq) FROM log)) AS position';
/** Columns for each field. */
const TOTALS = 4;

/**
 * Compiles the statement of totals. A row has the position, true where there is a group, the fields of the group, the number
 * of records, and of each field the number of values, their exact sum as text and the ends. It returns one group more than
 * the maximum when there are more, and one row without a group when there are none.
 */
export function compileAggregate(query: ListQuery, table: TablePlan): PgStatement {
  const { aggregate } = query;
  if (aggregate === undefined) throw new Error('The query has no aggregate.');
  const params = new Params();
  const group = aggregate.group.map(({ name }) => `${ALIAS}.${quote(name)}`);
  const bits: string[] = [];
  const totals = aggregate.fields.flatMap(({ field, sum, ends }) => {
    const column = `${ALIAS}.${quote(field.name)}`;
    let total = `sum(${column})`;
    if (sum && !sumsWhole(field)) {
      const alias = `b${bits.length}`;
      bits.push(` CROSS JOIN LATERAL (SELECT ${bitsOf(column)} AS bits) AS ${alias}`);
      total = `trunc(sum(${unitsOf(`${alias}.bits`)}))`;
    }
    return [
      `count(${column})`,
      sum ? `${total}::text` : 'NULL',
      ...(ends ? [`min(${column})`, `max(${column})`] : ['NULL', 'NULL']),
    ];
  });
  const filter = both(query.filter, query.sees);
  const where = filter === undefined ? '' : ` WHERE ${compileFilter(filter, { alias: ALIAS, table }, params)}`;
  const columns = ['true', ...group, 'count(*)', ...totals].map((column, index) => `${column} AS c${index}`);
  const from = `FROM ${recordsName(table)} AS ${ALIAS}${bits.join('')}${where}`;
  const by = group.length === 0 ? '' : ` GROUP BY ${group.join(', ')} LIMIT ${aggregate.maxGroups + 1}`;
  const groups = `SELECT ${columns.join(', ')} ${from}${by}`;
  return {
    sql: `SELECT p.position, g.* FROM (SELECT ${POSITION}) AS p LEFT JOIN (${groups}) AS g ON true`,
    params: params.values,
  };
}

/** The 64 bits of a double (IEEE 754) as an integer. */
function bitsOf(column: string): string {
  return `('x' || encode(float8send(${column}), 'hex'))::bit(64)::bigint`;
}

/** Value of a double in units of 2^−1074, exactly: sums of such values do not depend on their order. */
function unitsOf(bits: string): string {
  const exponent = `((${bits} >> 52) & 2047)`;
  const fraction = `(${bits} & 4503599627370495)`;
  const size = `CASE WHEN ${exponent} = 0 THEN ${fraction}::numeric ELSE (${fraction} + 4503599627370496)::numeric * power(2::numeric, ${exponent}::numeric - 1) END`;
  return `CASE WHEN ${bits} < 0 THEN -1 ELSE 1 END * ${size}`;
}

/** Reads the rows of the statement. */
export function readAggregate(rows: readonly (readonly unknown[])[], { aggregate }: ListQuery): GroupTotals[] {
  const { group = [], fields = [] } = aggregate ?? {};
  return rows
    .filter(([, isGroup]) => isGroup === 1)
    .map(([, , ...row]) => ({
      key: row.slice(0, group.length) as Cell[],
      count: Number(row[group.length]),
      fields: fields.map((_, index) => toTotals(row.slice(group.length + 1 + TOTALS * index))),
    }));
}

function toTotals([count, sum, min, max]: readonly unknown[]): FieldTotals {
  return {
    count: Number(count),
    sum: BigInt((sum as string | null) ?? 0),
    min: (min ?? null) as Cell,
    max: (max ?? null) as Cell,
  };
}
