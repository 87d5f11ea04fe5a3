import type { JsonRecord, ListQuery, RelatedCondition, SelectedRelation } from '../../../src/query/index.ts';
import type { Plan, TablePlan } from '../../../src/schema/plan.ts';
import type { AuditReader } from '../../../src/store/audit.ts';
import type {
  Aggregate,
  Cell,
  Change,
  CommitResult,
  IdempotencyKey,
  IdempotentGroup,
  ListPage,
  RecordKey,
  RecordsBy,
  Store,
  StoredRecord,
  StoreOptions,
  WriteGroup,
} from '../../../src/store/store.ts';
import { commitGroups } from './commit.ts';
import type { MemoryDatabase } from './database.ts';
import { relatedTest } from './filter.ts';
import { MemoryLists, toRecord } from './lists.ts';
import { compareCells } from './values.ts';

/** An open store over a database in memory: it answers at once. */
export class MemoryStore implements Store {
  readonly #database: MemoryDatabase;
  readonly #plan: Plan;
  readonly #options: StoreOptions;
  readonly #lists: MemoryLists;
  readonly audit: AuditReader | undefined;

  constructor(database: MemoryDatabase, plan: Plan, options: StoreOptions) {
    const { audit } = database;
    this.#database = database;
    this.#plan = plan;
    this.#options = options;
    this.#lists = new MemoryLists(database, options.largestScan);
    this.audit = audit && { page: (query) => audit.page(query, options.largestScan) };
  }

  get lastSeq(): number {
    return this.#database.last;
  }

  lastTableSeq(table: TablePlan): number {
    return this.#database.table(table).lastSeq;
  }

  resumeFloor(table: TablePlan): number {
    return Math.max(this.logStart(table), this.layoutSeq(table));
  }

  logStart(table: TablePlan): number {
    return this.#database.table(table).logStart;
  }

  layoutSeq(table: TablePlan): number {
    return this.#database.table(table).layoutSeq;
  }

  currentSeq(): number {
    return this.lastSeq;
  }

  hasReached(position: number): boolean {
    return position <= this.lastSeq;
  }

  wasIssued(position: number): boolean {
    return this.#database.wasIssued(position);
  }

  get(plan: TablePlan, id: RecordKey): StoredRecord | undefined {
    const table = this.#database.table(plan);
    const row = table.get(id);
    return row && toRecord(table, row);
  }

  page(plan: TablePlan, after: RecordKey | undefined, limit: number): readonly StoredRecord[] {
    const table = this.#database.table(plan);
    const rows = table.rows();
    const start = after === undefined ? 0 : rows.findIndex((row) => isAfter(table.keyOf(row), after));
    return start < 0 ? [] : rows.slice(start, start + limit).map((row) => toRecord(table, row));
  }

  list(table: TablePlan, query: ListQuery): ListPage {
    return this.#lists.list(table, query);
  }

  records(table: TablePlan, query: ListQuery): readonly StoredRecord[] {
    return this.#lists.records(table, query);
  }

  aggregate(table: TablePlan, query: ListQuery): Aggregate {
    return { groups: this.#lists.aggregate(table, query), seq: this.lastSeq };
  }

  checkScan(table: TablePlan, query: ListQuery): void {
    this.#lists.checkScan(table, query);
  }

  related(selected: SelectedRelation, key: Cell): string {
    return this.#lists.related(selected, key);
  }

  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord): boolean {
    return relatedTest(this.#database, this.#database.table(table))(condition, record);
  }

  recordsBy(table: TablePlan, by: RecordsBy): readonly StoredRecord[] {
    return this.#lists.recordsBy(table, by);
  }

  readLog(plan: TablePlan, after: number, limit: number, id?: RecordKey): readonly Change[] {
    const { log } = this.#database.table(plan);
    return log
      .filter((entry) => entry.seq > after && (id === undefined || entry.id === id))
      .slice(0, limit)
      .map((entry) => ({ ...entry, table: plan }));
  }

  readLogBack(plan: TablePlan, before: number, limit: number): readonly Change[] {
    const { log } = this.#database.table(plan);
    return log
      .filter((entry) => entry.seq < before)
      .slice(-limit)
      .reverse()
      .map((entry) => ({ ...entry, table: plan }));
  }

  expired(plan: TablePlan, now: number, limit: number): readonly RecordKey[] {
    const table = this.#database.table(plan);
    return table
      .rows()
      .filter(({ expires }) => expires !== null && expires <= now)
      .sort((a, b) => Number(a.expires) - Number(b.expires))
      .slice(0, limit)
      .map((row) => table.keyOf(row));
  }

  isStored(once: IdempotencyKey): boolean {
    return this.#database.outcomes.has(once, Date.now());
  }

  commit(groups: readonly (WriteGroup | IdempotentGroup)[]): CommitResult {
    return commitGroups(this.#database, groups, {
      retention: this.#options.idempotency.retention,
      largestCascade: this.#options.largestCascade,
    });
  }

  trim(now: number, limit: number): boolean {
    const { events, idempotency, audit } = this.#options;
    const before = (now - events.retention) * 1000;
    const left = [
      ...this.#plan.tables.map((table) => this.#database.table(table).trim(events.maxCount, before, limit)),
      this.#database.outcomes.trim(now, limit, idempotency),
      this.#database.audit?.trim(now, limit, audit) ?? false,
    ];
    return left.includes(true);
  }

  close(): void {
    this.#database.close();
  }
}

function isAfter(key: RecordKey, after: RecordKey): boolean {
  return compareCells(key, after) > 0;
}
