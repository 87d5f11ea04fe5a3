import type { Database } from 'better-sqlite3';
import { AppError } from '../../../errors.ts';
import type { ListQuery } from '../../../query/index.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { Change } from '../../store.ts';
import { StatementCache } from '../database/statement-cache.ts';
import { LIMIT } from '../sql/limit.ts';
import { recordsName } from '../sql/table-names.ts';

/** Numbers of records, for the bound of queries that look at each of them (`limits.scan`). */
export class TableSizes {
  readonly #statements: StatementCache;
  readonly #largestScan: number;
  /** Counted when it is first needed, and only up to one more than the largest scan. */
  readonly #sizes = new Map<TablePlan, number>();

  /** `largestScan`: maximum of records of a table that a query may read one by one. */
  constructor(db: Database, largestScan: number) {
    this.#statements = new StatementCache(db);
    this.#largestScan = largestScan;
  }

  /** Must be called for each committed change. */
  committed({ table, op }: Change): void {
    const size = this.#sizes.get(table);
    if (size === undefined) return;
    if (op === 'create') this.#sizes.set(table, size + 1);
    else if (op === 'delete' && size > this.#largestScan) this.#sizes.delete(table);
    else if (op === 'delete') this.#sizes.set(table, size - 1);
  }

  /** Throws SCAN_TOO_LARGE for a scan of a large table, which would delay all other requests. */
  check(table: TablePlan, { filter, sees, aggregate }: ListQuery): void {
    if (this.#of(table) <= this.#largestScan) return;
    const unfiltered = aggregate === undefined ? 'sort' : 'aggregate';
    const what = filter === undefined ? (sees === undefined ? unfiltered : 'rule of access') : 'filter';
    throw new AppError(
      'SCAN_TOO_LARGE',
      `This ${what} would look at every record of ${table.exportName ?? table.name}, which has more than ${this.#largestScan}. Use fields with @indexed, or raise limits.scan.`,
    );
  }

  #of(table: TablePlan): number {
    let size = this.#sizes.get(table);
    if (size === undefined) {
      const some = `SELECT 1 FROM ${recordsName(table)} ${LIMIT}`;
      size = this.#statements.get(`SELECT count(*) FROM (${some})`).get(this.#largestScan + 1) as number;
      this.#sizes.set(table, size);
    }
    return size;
  }
}
