import type { Database, Statement } from 'better-sqlite3';
import {
  both,
  formatCursor,
  type GroupTotals,
  isShownExactly,
  type ListQuery,
  type QueryPlan,
  type SelectedRelation,
  type SortKey,
  totalOrder,
} from '../../../query/index.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { checkExpected, tooManyRecords } from '../../rows/bulk.ts';
import type { RowLayout } from '../../rows/row.ts';
import type { TableSizes } from '../../rows/table-sizes.ts';
import type { BulkWrite } from '../../rows/write.ts';
import type { Cell, ListPage, RecordKey, StoredRecord } from '../../store.ts';
import { StatementCache } from '../database/statement-cache.ts';
import {
  compileCountSql,
  compileFilterSql,
  compileListSql,
  compilePositionSql,
  compileRecordsSql,
  compileRelatedSql,
  compileSortedListSql,
  type Sql,
  type SqlValue,
} from '../sql/index.ts';
import { LIMIT } from '../sql/limit.ts';
import { NAMES, quote, recordsName, recordsTable } from '../sql/table-names.ts';
import { SqliteAggregates } from './aggregates.ts';

interface CompiledList {
  readonly statement: Statement;
  readonly params: readonly SqlValue[];
  readonly scans: boolean;
  readonly order: readonly SortKey[];
  /** True when every sort key can be read from a record's JSON text. */
  readonly showsOrder: boolean;
  /**
   * JSON text of the record that ended the last page, and its cursor. Pages are read repeatedly: parsing that record took
   * 2.8 of 29 µs of a list of 20 from the store (row "GET filtered list of 20" of the benchmark).
   */
  last: { readonly text: string; readonly next: string } | undefined;
}

type CompiledRecords = Pick<CompiledList, 'statement' | 'params' | 'scans'>;

/** Time that a slice of a long list may hold the event loop, and rows between two looks at the clock. */
const MAX_SLICE_MS = 2;
const ROWS_BETWEEN_LOOKS = 32;

/** Properties of SQLite's plan for a query. */
interface QueryCost {
  /** True when it reads every record, or sorts them all. */
  readonly scans: boolean;
  readonly sorts: boolean;
}

/** Check of queries that read a table record by record. */
export class ScanCheck {
  readonly #statements: StatementCache;
  readonly #sizes: TableSizes;

  constructor(db: Database, sizes: TableSizes) {
    this.#statements = new StatementCache(db);
    this.#sizes = sizes;
  }

  /** Throws SCAN_TOO_LARGE where the table is too large for that. */
  check(table: TablePlan, query: ListQuery): void {
    const isTooLarge = this.#sizes.isTooLarge(table) ?? this.#sizes.counted(table, this.#count(table));
    if (isTooLarge) throw this.#sizes.errorOf(table, query);
  }

  #count(table: TablePlan): number {
    const some = `SELECT 1 FROM ${recordsName(table)} ${LIMIT}`;
    return this.#statements.get(`SELECT count(*) FROM (${some})`).get(this.#sizes.maxCount) as number;
  }
}

/** Reads lists of records by a query. */
export class SqliteLists {
  readonly #db: Database;
  readonly #statements: StatementCache;
  readonly #positions: StatementCache;
  readonly #aggregates: SqliteAggregates;
  /** Statements of whole records. */
  readonly #rows: StatementCache;
  readonly #compiled = new WeakMap<ListQuery, CompiledList>();
  readonly #records = new WeakMap<ListQuery, CompiledRecords>();
  readonly #related = new WeakMap<SelectedRelation, Sql & { readonly statement: Statement }>();
  readonly #rowKeys = new Map<TablePlan, string>();
  readonly #scans: ScanCheck;

  constructor(db: Database, scans: ScanCheck) {
    this.#db = db;
    this.#statements = new StatementCache(db);
    this.#positions = new StatementCache(db, (statement) => statement.raw().safeIntegers());
    this.#rows = new StatementCache(db, (statement) => statement.raw());
    this.#aggregates = new SqliteAggregates(db);
    this.#scans = scans;
  }

  list(table: TablePlan, query: ListQuery): ListPage {
    const compiled = this.#compile(table, query);
    return this.#pageOf(table, query, compiled, compiled.statement.all(...compiled.params) as string[]);
  }

  /** Reads as `list` does, and pauses after each slice. The connection is busy meanwhile, and shall have a snapshot. */
  *slices(table: TablePlan, query: ListQuery): Generator<undefined, ListPage> {
    const compiled = this.#compile(table, query);
    const rows: string[] = [];
    let start = performance.now();
    for (const row of compiled.statement.iterate(...compiled.params)) {
      if (rows.push(row as string) % ROWS_BETWEEN_LOOKS > 0 || performance.now() - start < MAX_SLICE_MS) continue;
      yield;
      start = performance.now();
    }
    yield;
    return this.#pageOf(table, query, compiled, rows);
  }

  #pageOf(table: TablePlan, query: ListQuery, compiled: CompiledList, rows: string[]): ListPage {
    const next = rows.length > query.limit ? this.#cut(table, query, compiled, rows) : undefined;
    const json = `[${rows.join(',')}]`;
    if (next === undefined && !query.count) return { json };
    return {
      json,
      ...(next === undefined ? {} : { next }),
      ...(query.count ? { total: this.#count(table, query) } : {}),
    };
  }

  /** Returns whole records, at most the query's limit. */
  records(table: TablePlan, query: ListQuery): StoredRecord[] {
    const { statement, params } = this.#compileRecords(table, query);
    const rows = statement.all(...params) as [RecordKey, number, string][];
    return rows.slice(0, query.limit).map(([id, seq, json]) => ({ id, seq, json }));
  }

  checkScan(table: TablePlan, query: ListQuery): void {
    if (query.aggregate === undefined) this.#compileRecords(table, query);
    else if (this.#aggregates.scans(table, query)) this.#scans.check(table, query);
  }

  /** Returns the totals of the records that match, by group. */
  aggregate(table: TablePlan, query: ListQuery): GroupTotals[] {
    this.checkScan(table, query);
    return this.#aggregates.read(table, query);
  }

  explain(table: TablePlan, query: ListQuery): QueryPlan {
    const statement = compileListSql(query, table, NAMES);
    const steps = this.#stepsOf(statement);
    const indexes = steps.flatMap((step) => /^(?:SEARCH|SCAN) t USING (?:COVERING )?INDEX (\S+)/.exec(step)?.[1] ?? []);
    return { steps, indexes, scans: this.#explain(query, statement).scans };
  }

  related(selected: SelectedRelation, key: Cell): string {
    let compiled = this.#related.get(selected);
    if (compiled === undefined) {
      const related = compileRelatedSql(selected, NAMES);
      compiled = { ...related, statement: this.#statements.get(related.sql) };
      this.#related.set(selected, compiled);
    }
    return (compiled.statement.get(key, ...compiled.params) as string | null) ?? 'null';
  }

  /** Removes the record beyond the page; returns the cursor of the last one that is left. */
  #cut(table: TablePlan, query: ListQuery, compiled: CompiledList, rows: string[]): string {
    rows.pop();
    const text = rows[rows.length - 1] as string;
    if (!compiled.showsOrder) return this.#positionOf(table, query, compiled.order, text);
    if (compiled.last?.text !== text) {
      const record = JSON.parse(text) as Record<string, RecordKey>;
      const position = compiled.order.map(({ field }) => record[field.name] as RecordKey);
      compiled.last = { text, next: formatCursor(compiled.order, position) };
    }
    return compiled.last.next;
  }

  /** Returns the cursor of a record whose text does not have its sort keys as they are stored. */
  #positionOf(table: TablePlan, query: ListQuery, order: readonly SortKey[], text: string): string {
    const record = JSON.parse(text) as Record<string, RecordKey>;
    const key = record[table.primaryKey.name] as RecordKey;
    const { type } = table.primaryKey;
    // Integers beyond ±(2^53−1) are strings in JSON.
    const isLong = type.kind === 'scalar' && type.name === 'Long';
    const statement = this.#positions.get(compilePositionSql(query, table, NAMES));
    const position = statement.get(isLong ? BigInt(key) : key) as SqlValue[];
    return formatCursor(order, position);
  }

  #count(table: TablePlan, query: ListQuery): number {
    const { sql, params } = compileCountSql(query, table, NAMES);
    return this.#statements.get(sql).get(...params) as number;
  }

  /** Compiles a query. Queries are frozen and reused, so the result is cached for the lifetime of the object. */
  #compile(table: TablePlan, query: ListQuery): CompiledList {
    let compiled = this.#compiled.get(query);
    if (compiled === undefined) {
      const inOrder = compileListSql(query, table, NAMES);
      const { scans, sorts } = this.#explain(query, inOrder);
      const { sql, params } = sorts ? compileSortedListSql(query, table, NAMES, this.#rowKeyOf(table)) : inOrder;
      const order = totalOrder(query.sort, table);
      const shown = query.select?.fields ?? table.visibleFields;
      const showsOrder = order.every(({ field }) => isShownExactly(field) && shown.includes(field));
      compiled = { statement: this.#statements.get(sql), params, scans, order, showsOrder, last: undefined };
      this.#compiled.set(query, compiled);
    }
    if (compiled.scans) this.#scans.check(table, query);
    return compiled;
  }

  #compileRecords(table: TablePlan, query: ListQuery): CompiledRecords {
    let compiled = this.#records.get(query);
    if (compiled === undefined) {
      const { sql, params } = compileRecordsSql(query, table, NAMES, '_seq');
      const { scans } = this.#explain(query, { sql, params });
      compiled = { statement: this.#rows.get(sql), params, scans };
      this.#records.set(query, compiled);
    }
    if (compiled.scans) this.#scans.check(table, query);
    return compiled;
  }

  #rowKeyOf(table: TablePlan): string {
    let rowKey = this.#rowKeys.get(table);
    if (rowKey === undefined) {
      rowKey = rowKeyOf(this.#db, table);
      this.#rowKeys.set(table, rowKey);
    }
    return rowKey;
  }

  #stepsOf({ sql, params }: Sql): readonly string[] {
    const steps = this.#db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[];
    return steps.map(({ detail }) => detail);
  }

  #explain(query: ListQuery, statement: Sql): QueryCost {
    const filter = both(query.filter, query.sees);
    if (filter === undefined && query.sort.length === 0) return { scans: false, sorts: false };
    const details = this.#stepsOf(statement);
    const sorts = details.includes('USE TEMP B-TREE FOR ORDER BY');
    // Without a filter a scan ends with the page, unless everything has to be sorted first.
    const scans = details.some((detail) => /^SCAN t\b/.test(detail)) && (filter !== undefined || sorts);
    return { scans, sorts };
  }
}

/**
 * Returns the quoted name of the column by which a row is found fastest: `_rowid_`, which no field's name hides, or the
 * primary key in tables that were created WITHOUT ROWID, as older stores have. With a rowid, a search by the primary key
 * takes two searches.
 */
export function rowKeyOf(db: Database, table: TablePlan): string {
  const isWithout = db.prepare(`SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?`).pluck();
  return isWithout.get(recordsTable(table)) === 0 ? '_rowid_' : quote(table.primaryKey.name);
}

/** Alias of the table in statements, so that no column is ambiguous with those of json_each. */
const ALIAS = 't';

/**
 * Returns the keys of the records that a bulk write changes, in primary-key order, as they are in the open transaction.
 * Throws BAD_REQUEST with their number when there are more than it may change, and PRECONDITION_FAILED when it expects another
 * number.
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
  if (keys.length <= write.limit) {
    checkExpected(keys.length, write);
    return keys as RecordKey[];
  }
  const count = statements.get(`SELECT count(*) ${from}`).get(...params) as number;
  throw tooManyRecords(count, write.limit);
}
