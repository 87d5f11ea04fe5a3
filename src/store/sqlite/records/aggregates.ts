import type { Database } from 'better-sqlite3';
import { AppError } from '../../../errors.ts';
import { type FieldTotals, type GroupTotals, type ListQuery, sumsWhole } from '../../../query/index.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { StatementCache } from '../database/statement-cache.ts';
import { compileAggregateSql, type Sql, type SqlValue } from '../sql/index.ts';
import { NAMES, recordsTable } from '../sql/table-names.ts';

/** Columns of the statement for each field. */
const TOTALS = 5;

interface CompiledAggregate extends Sql {
  /** True when it reads every record. */
  readonly scans: boolean;
}

/** Reads totals of records by a query. */
export class SqliteAggregates {
  readonly #db: Database;
  readonly #statements: StatementCache;
  readonly #compiled = new WeakMap<ListQuery, CompiledAggregate>();

  constructor(db: Database) {
    this.#db = db;
    this.#statements = new StatementCache(db, (statement) => statement.raw().safeIntegers());
  }

  /** True when the query reads every record of the table. */
  scans(table: TablePlan, query: ListQuery): boolean {
    return this.#compile(table, query).scans;
  }

  read(table: TablePlan, query: ListQuery): GroupTotals[] {
    const { sql, params } = this.#compile(table, query);
    const rows = this.#statements.get(sql).all(...params) as SqlValue[][];
    const { group = [], fields = [], maxGroups = 0 } = query.aggregate ?? {};
    if (rows.length > maxGroups) {
      throw new AppError(
        'TOO_MANY_GROUPS',
        `The query makes more than ${maxGroups} groups. Add a condition, group by a field with fewer values, or raise limits.groups.`,
      );
    }
    return rows.map((row) => ({
      key: row.slice(0, group.length).map(toNumber),
      count: Number(row[group.length]),
      fields: fields.map(({ field }, index) =>
        toTotals(row.slice(group.length + 1 + TOTALS * index), sumsWhole(field)),
      ),
    }));
  }

  #compile(table: TablePlan, query: ListQuery): CompiledAggregate {
    let compiled = this.#compiled.get(query);
    if (compiled === undefined) {
      const { sql, params } = compileAggregateSql(query, table, NAMES);
      const steps = this.#db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[];
      // A count alone is planned without the alias.
      const alone = `SCAN ${recordsTable(table)} `;
      const scans = steps.some(({ detail }) => /^SCAN t\b/.test(detail) || `${detail} `.startsWith(alone));
      compiled = { sql, params, scans };
      this.#compiled.set(query, compiled);
    }
    return compiled;
  }
}

function toTotals([count, high, low, min, max]: readonly SqlValue[], isWhole: boolean): FieldTotals {
  const sum = isWhole ? (BigInt(high ?? 0) << 32n) + BigInt(low ?? 0) : BigInt(high ?? 0);
  return { count: Number(count), sum, min: toNumber(min ?? null), max: toNumber(max ?? null) };
}

/** Returns an integer as a number wherever a number has it exactly. */
function toNumber(value: SqlValue): SqlValue {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
