import { AppError } from '../../errors.ts';
import type { ListQuery } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Change } from '../store.ts';

/** Numbers of records, for the bound of queries that look at each of them (`limits.scan`). An engine counts them. */
export class TableSizes {
  readonly #largestScan: number;
  readonly #sizes = new Map<TablePlan, number>();

  /** `largestScan`: maximum of records of a table that a query may read one by one. */
  constructor(largestScan: number) {
    this.#largestScan = largestScan;
  }

  /** Number of records up to which a table is counted, when its number is first needed. */
  get maxCount(): number {
    return this.#largestScan + 1;
  }

  /** Returns undefined for a table that is to be counted. */
  isTooLarge(table: TablePlan): boolean | undefined {
    const size = this.#sizes.get(table);
    return size === undefined ? undefined : size > this.#largestScan;
  }

  /** Must be called with the number of records, or `maxCount` for more. Returns whether they are too many. */
  counted(table: TablePlan, size: number): boolean {
    this.#sizes.set(table, size);
    return size > this.#largestScan;
  }

  /** Must be called for each committed change. */
  committed({ table, op }: Change): void {
    const size = this.#sizes.get(table);
    if (size === undefined) return;
    if (op === 'create') this.#sizes.set(table, size + 1);
    else if (op === 'delete' && size > this.#largestScan) this.#sizes.delete(table);
    else if (op === 'delete') this.#sizes.set(table, size - 1);
  }

  /** Must be called when others have changed records of the table. */
  changed(table: TablePlan): void {
    this.#sizes.delete(table);
  }

  /** Returns the error of a scan of a large table, which would delay all other requests. */
  errorOf(table: TablePlan, { filter, sees, aggregate }: Pick<ListQuery, 'filter' | 'sees' | 'aggregate'>): AppError {
    const unfiltered = aggregate === undefined ? 'sort' : 'aggregate';
    const what = filter === undefined ? (sees === undefined ? unfiltered : 'rule of access') : 'filter';
    return this.errorOfPart(table, what);
  }

  /** The same, for a part of a query. */
  errorOfPart(table: TablePlan, what: string): AppError {
    return new AppError(
      'SCAN_TOO_LARGE',
      `This ${what} would look at every record of ${table.exportName ?? table.name}, which has more than ${this.#largestScan}. Use fields with @indexed, or raise limits.scan.`,
    );
  }
}
