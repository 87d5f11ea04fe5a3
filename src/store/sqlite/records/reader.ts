import type { Database } from 'better-sqlite3';
import type { JsonRecord, ListQuery, QueryPlan, RelatedCondition, SelectedRelation } from '../../../query/index.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { Row } from '../../rows/row.ts';
import type { Aggregate, Cell, ListPage, RecordKey, RecordsBy, StoredRecord } from '../../store.ts';
import { type ScanCheck, SqliteLists } from './lists.ts';
import { RelatedRecords } from './related-records.ts';
import { SqliteRows } from './table.ts';

export interface SqliteReaderOptions {
  readonly scans: ScanCheck;
  /** Returns the position of the newest change that may be read. */
  readonly lastSeq: () => number;
  /** Called before each read. */
  readonly beforeRead?: () => void;
  /** Readers of the rows that are there already. */
  readonly rows?: ReadonlyMap<TablePlan, SqliteRows>;
}

/** Reads records on one connection. Every method runs synchronously. */
export class SqliteReader {
  readonly #db: Database;
  readonly #lists: SqliteLists;
  readonly #related: RelatedRecords;
  readonly #rows: Map<TablePlan, SqliteRows>;
  readonly #beforeRead: () => void;
  readonly #lastSeq: () => number;

  constructor(db: Database, { scans, lastSeq, beforeRead = () => {}, rows = new Map() }: SqliteReaderOptions) {
    this.#db = db;
    this.#lists = new SqliteLists(db, scans);
    this.#related = new RelatedRecords(db);
    this.#rows = new Map(rows);
    this.#beforeRead = beforeRead;
    this.#lastSeq = lastSeq;
  }

  /** Row of a record as it is stored. */
  row(table: TablePlan, id: RecordKey): Row | undefined {
    this.#beforeRead();
    return this.#rowsOf(table).get(id);
  }

  get(table: TablePlan, id: RecordKey): StoredRecord | undefined {
    const row = this.row(table, id);
    return row && toRecord(this.#rowsOf(table), row);
  }

  page(table: TablePlan, after: RecordKey | undefined, limit: number): StoredRecord[] {
    this.#beforeRead();
    const rows = this.#rowsOf(table);
    return rows.page(after, limit).map((row) => toRecord(rows, row));
  }

  list(table: TablePlan, query: ListQuery): ListPage {
    this.#beforeRead();
    return this.#lists.list(table, query);
  }

  /** Reads as `list` does, and pauses after each slice. */
  slices(table: TablePlan, query: ListQuery): Generator<undefined, ListPage> {
    this.#beforeRead();
    return this.#lists.slices(table, query);
  }

  records(table: TablePlan, query: ListQuery): StoredRecord[] {
    this.#beforeRead();
    return this.#lists.records(table, query);
  }

  aggregate(table: TablePlan, query: ListQuery): Aggregate {
    this.#beforeRead();
    return { groups: this.#lists.aggregate(table, query), seq: this.#lastSeq() };
  }

  checkScan(table: TablePlan, query: ListQuery): void {
    this.#beforeRead();
    this.#lists.checkScan(table, query);
  }

  explain(table: TablePlan, query: ListQuery): QueryPlan {
    this.#beforeRead();
    return this.#lists.explain(table, query);
  }

  related(selected: SelectedRelation, key: Cell): string {
    this.#beforeRead();
    return this.#lists.related(selected, key);
  }

  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord): boolean {
    this.#beforeRead();
    return this.#related.isRelated(table, condition, record);
  }

  recordsBy(table: TablePlan, by: RecordsBy): StoredRecord[] {
    this.#beforeRead();
    return this.#related.recordsBy(table, by);
  }

  #rowsOf(table: TablePlan): SqliteRows {
    let rows = this.#rows.get(table);
    if (rows === undefined) {
      rows = new SqliteRows(this.#db, table);
      this.#rows.set(table, rows);
    }
    return rows;
  }
}

export function toRecord(rows: SqliteRows, row: Row): StoredRecord {
  return { id: row[rows.keyIndex] as RecordKey, seq: row[row.length - 1] as number, json: rows.codec.toJson(row) };
}
