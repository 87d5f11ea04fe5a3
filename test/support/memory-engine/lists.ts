import { AppError } from '../../../src/errors.ts';
import {
  both,
  formatCursor,
  type GroupTotals,
  type ListQuery,
  type Select,
  type SelectedRelation,
  sumsWhole,
  totalOrder,
  toUnits,
} from '../../../src/query/index.ts';
import type { TablePlan } from '../../../src/schema/plan.ts';
import type { Cell, ListPage, RecordsBy, StoredRecord } from '../../../src/store/store.ts';
import type { MemoryDatabase } from './database.ts';
import { isInOrder, isServed, matches, relatedRows } from './filter.ts';
import type { MemoryTable, Row } from './table.ts';
import { cellToJson, compareCells, rowToJson } from './values.ts';

/** Related records that one record shows at most. */
const MAX_RELATED = 1000;

/** Reads many records by a query. */
export class MemoryLists {
  readonly #database: MemoryDatabase;
  readonly #maxScan: number;

  /** `maxScan`: records of a table that a query without an index may look at. */
  constructor(database: MemoryDatabase, maxScan: number) {
    this.#database = database;
    this.#maxScan = maxScan;
  }

  list(plan: TablePlan, query: ListQuery): ListPage {
    const table = this.#database.table(plan);
    const { found, page, hasMore } = this.#find(table, query);
    const select = query.select ?? { fields: plan.visibleFields, relations: [] };
    const json = `[${page.map((row) => this.#show(select, table, row)).join(',')}]`;
    const order = totalOrder(query.sort, plan);
    const last = page.at(-1)?.cells;
    const position = order.map(({ field }) => last?.[plan.fields.indexOf(field)] ?? null);
    return {
      json,
      ...(hasMore ? { next: formatCursor(order, position) } : {}),
      ...(query.count ? { total: found.length } : {}),
    };
  }

  records(plan: TablePlan, query: ListQuery): StoredRecord[] {
    const table = this.#database.table(plan);
    return this.#find(table, query).page.map((row) => toRecord(table, row));
  }

  aggregate(plan: TablePlan, query: ListQuery): GroupTotals[] {
    const table = this.#database.table(plan);
    this.checkScan(plan, query);
    const { group = [], fields = [], maxGroups = 0 } = query.aggregate ?? {};
    const filter = both(query.filter, query.sees);
    const groups = new Map<string, (readonly Cell[])[]>(group.length === 0 ? [['[]', []]] : []);
    for (const row of table.rows()) {
      if (filter !== undefined && !matches(filter, { table, row, database: this.#database })) continue;
      const key = JSON.stringify(group.map((field) => String(row.cells[plan.fields.indexOf(field)] ?? null)));
      groups.set(key, [...(groups.get(key) ?? []), row.cells]);
    }
    if (groups.size > maxGroups) throw new AppError('TOO_MANY_GROUPS', `There are more than ${maxGroups} groups.`);
    return [...groups.values()].map((rows) => ({
      key: group.map((field) => rows[0]?.[plan.fields.indexOf(field)] ?? null),
      count: rows.length,
      fields: fields.map(({ field, sum, ends }) => {
        const cells = rows.flatMap((row) => row[plan.fields.indexOf(field)] ?? []);
        const sorted = ends ? cells.toSorted(compareCells) : [];
        const numbers = sum ? cells.map((cell) => (sumsWhole(field) ? BigInt(cell) : toUnits(Number(cell)))) : [];
        return {
          count: cells.length,
          sum: numbers.reduce((left, right) => left + right, 0n),
          min: sorted[0] ?? null,
          max: sorted.at(-1) ?? null,
        };
      }),
    }));
  }

  checkScan(plan: TablePlan, query: ListQuery): void {
    this.#checkSize(this.#database.table(plan), query);
  }

  related({ relation, select, filter }: SelectedRelation, start: Cell): string {
    const database = this.#database;
    const table = database.table(relation.target);
    const rows = relatedRows(table, relation, start)
      .filter((row) => filter === undefined || matches(filter, { table, row, database }))
      .slice(0, MAX_RELATED)
      .map((row) => this.#show(select, table, row));
    return relation.many ? `[${rows.join(',')}]` : (rows[0] ?? 'null');
  }

  recordsBy(plan: TablePlan, { field, values, filter, limit }: RecordsBy): StoredRecord[] {
    const database = this.#database;
    const table = database.table(plan);
    const place = plan.fields.indexOf(field);
    const sought = new Set(values.map(String));
    const found = table.rows().filter((row) => {
      const cell = row.cells[place] ?? null;
      const keys = cell !== null && field.type.kind === 'list' ? (JSON.parse(String(cell)) as Cell[]) : [cell];
      const has = keys.some((key) => key !== null && sought.has(String(key)));
      return has && (filter === undefined || matches(filter, { table, row, database }));
    });
    return found.slice(0, limit).map((row) => toRecord(table, row));
  }

  #find(table: MemoryTable, query: ListQuery): { found: Row[]; page: Row[]; hasMore: boolean } {
    const database = this.#database;
    const filter = both(query.filter, query.sees);
    this.#checkSize(table, query);
    const order = totalOrder(query.sort, table.plan).map(({ field, descending }) => ({
      place: table.plan.fields.indexOf(field),
      sign: descending ? -1 : 1,
    }));
    const compare = (a: readonly Cell[], b: readonly Cell[]) => {
      for (const [index, { sign }] of order.entries()) {
        const difference = sign * compareCells(a[index] ?? null, b[index] ?? null);
        if (difference !== 0) return difference;
      }
      return 0;
    };
    const positionOf = ({ cells }: Row) => order.map(({ place }) => cells[place] ?? null);
    const found = table.rows().filter((row) => filter === undefined || matches(filter, { table, row, database }));
    const { cursor, offset, limit } = query;
    const rest = found
      .filter((row) => cursor === undefined || compare(positionOf(row), cursor) > 0)
      .sort((a, b) => compare(positionOf(a), positionOf(b)))
      .slice(offset);
    return { found, page: rest.slice(0, limit), hasMore: rest.length > limit };
  }

  /** JSON text of what is selected of a record. */
  #show({ fields, relations, masked = [] }: Select, table: MemoryTable, row: Row): string {
    const database = this.#database;
    const hidden = masked.filter(({ filter }) => !matches(filter, { table, row, database })).map(({ field }) => field);
    const cellOf = (field: TablePlan['primaryKey']) => row.cells[table.plan.fields.indexOf(field)] ?? null;
    const shown = fields
      .filter((field) => !hidden.includes(field))
      .map((field) => `${JSON.stringify(field.name)}:${cellToJson(field.type, cellOf(field))}`);
    const related = relations.map((selected) => {
      const start = cellOf(selected.relation.from ?? table.plan.primaryKey);
      return `${JSON.stringify(selected.relation.name)}:${this.related(selected, start)}`;
    });
    return `{${[...shown, ...related].join(',')}}`;
  }

  #checkSize(table: MemoryTable, query: ListQuery): void {
    const { filter, sees, sort } = query;
    const { plan } = table;
    const all = both(filter, sees);
    const isOrdered = query.aggregate === undefined && isInOrder(sort, plan);
    const scans = all === undefined ? !isOrdered : !isServed(all, plan);
    if (!scans || table.size <= this.#maxScan) return;
    const message = `This query would look at every record of ${plan.name}, which has more than ${this.#maxScan}.`;
    throw new AppError('SCAN_TOO_LARGE', message);
  }
}

export function toRecord(table: MemoryTable, row: Row): StoredRecord {
  return { id: table.keyOf(row), seq: row.seq, json: rowToJson(table.plan.fields, row.cells) };
}
