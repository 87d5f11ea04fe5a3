import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JsonRecord, ListQuery, RelatedCondition, SelectedRelation } from '../../../src/query/index.ts';
import type { TablePlan } from '../../../src/schema/plan.ts';
import type { AuditReader } from '../../../src/store/audit.ts';
import type {
  Awaitable,
  Cell,
  IdempotencyKey,
  IdempotentGroup,
  RecordKey,
  RecordsBy,
  Store,
  WriteGroup,
} from '../../../src/store/store.ts';
import type { MemoryStore } from './store.ts';

/**
 * A store as it is over a network: what is asked of it happens in the next turn of the event loop, in the order in which
 * it was asked, and is answered one turn later, when other things may have happened already.
 */
export class LaterStore implements Store {
  readonly #store: MemoryStore;
  readonly audit: AuditReader | undefined;

  constructor(store: MemoryStore) {
    const { audit } = store;
    this.#store = store;
    this.audit = audit && { page: (query) => later(() => audit.page(query)) };
  }

  get lastSeq(): number {
    return this.#store.lastSeq;
  }

  lastTableSeq(table: TablePlan): number {
    return this.#store.lastTableSeq(table);
  }

  resumeFloor(table: TablePlan): number {
    return this.#store.resumeFloor(table);
  }

  logStart(table: TablePlan): number {
    return this.#store.logStart(table);
  }

  layoutSeq(table: TablePlan): number {
    return this.#store.layoutSeq(table);
  }

  currentSeq() {
    return later(() => this.#store.lastSeq);
  }

  hasReached(position: number) {
    return later(() => position <= this.#store.lastSeq);
  }

  wasIssued(position: number) {
    return later(() => this.#store.wasIssued(position));
  }

  get(table: TablePlan, id: RecordKey) {
    return later(() => this.#store.get(table, id));
  }

  page(table: TablePlan, after: RecordKey | undefined, limit: number) {
    return later(() => this.#store.page(table, after, limit));
  }

  list(table: TablePlan, query: ListQuery) {
    return later(() => this.#store.list(table, query));
  }

  records(table: TablePlan, query: ListQuery) {
    return later(() => this.#store.records(table, query));
  }

  aggregate(table: TablePlan, query: ListQuery) {
    return later(() => this.#store.aggregate(table, query));
  }

  checkScan(table: TablePlan, query: ListQuery): void {
    this.#store.checkScan(table, query);
  }

  related(selected: SelectedRelation, key: Cell) {
    return later(() => this.#store.related(selected, key));
  }

  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord) {
    return later(() => this.#store.isRelated(table, condition, record));
  }

  recordsBy(table: TablePlan, by: RecordsBy) {
    return later(() => this.#store.recordsBy(table, by));
  }

  readLog(table: TablePlan, after: number, limit: number, id?: RecordKey) {
    return later(() => this.#store.readLog(table, after, limit, id));
  }

  readLogBack(table: TablePlan, before: number, limit: number) {
    return later(() => this.#store.readLogBack(table, before, limit));
  }

  expired(table: TablePlan, now: number, limit: number) {
    return later(() => this.#store.expired(table, now, limit));
  }

  isStored(once: IdempotencyKey) {
    return later(() => this.#store.isStored(once));
  }

  commit(groups: readonly (WriteGroup | IdempotentGroup)[]) {
    return later(() => this.#store.commit(groups));
  }

  trim(now: number, limit: number) {
    return later(() => this.#store.trim(now, limit));
  }

  close() {
    return later(() => this.#store.close());
  }
}

async function later<T>(run: () => Awaitable<T>): Promise<T> {
  await nextTurn();
  const answer = await run();
  await nextTurn();
  return answer;
}
