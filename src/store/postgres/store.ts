import type { ClusterConfig } from '../../config/config.ts';
import type { JsonRecord, ListQuery, QueryPlan, RelatedCondition, SelectedRelation } from '../../query/index.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import type { AuditReader } from '../audit.ts';
import type { SharedStore } from '../shared-store.ts';
import type { StorageHealth } from '../storage-health.ts';
import type {
  Aggregate,
  Awaitable,
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
} from '../store.ts';
import { PgAuditLog } from './audit.ts';
import type { PgAddress } from './database/address.ts';
import { storageError } from './database/errors.ts';
import type { Readers } from './database/readers.ts';
import type { PgSession } from './database/session.ts';
import type { WriterSession } from './database/writer-session.ts';
import type { PgPositions } from './log/issued-positions.ts';
import { type TableLog, toKey } from './log/log.ts';
import { markLoss } from './log/rewind.ts';
import { LogTail } from './log/tail.ts';
import { NodeBell } from './nodes/bell.ts';
import { PgLeases } from './nodes/leases.ts';
import { PgCommits } from './records/commits.ts';
import { type KeptOutcomes, OutcomeRetention } from './records/idempotency.ts';
import { PgLists } from './records/lists.ts';
import { PgRelatedRecords } from './records/related-records.ts';
import type { PgTable } from './records/table.ts';
import type { Param } from './sql/types.ts';

/** Table of the plan, as the store has it open. */
export interface OpenTable {
  readonly table: PgTable;
  readonly id: number;
  readonly log: TableLog;
}

export interface StoreParts {
  readonly address: PgAddress;
  readonly cluster: ClusterConfig;
  readonly plan: Plan;
  /** Number of the plan's schema. */
  readonly version: number;
  readonly options: StoreOptions;
  readonly writer: WriterSession;
  readonly readers: Readers;
  readonly clock: (() => number) | undefined;
  readonly maxLookupMs: number;
}

/** State of the tables, as it was read at the start. */
export interface OpenedTables {
  readonly tables: ReadonlyMap<TablePlan, OpenTable>;
  readonly positions: PgPositions;
  readonly lastSeq: number;
  /** Position at which the end of the log was lost for the last time; 0 when it never was. */
  readonly mark: number;
  readonly hasAudit: boolean;
  /** What tells this database from others. */
  readonly identity: string;
}

/** Store in a PostgreSQL database, which several servers may share. */
export class PostgresStore implements Store {
  readonly #parts: StoreParts;
  readonly #tables: ReadonlyMap<TablePlan, OpenTable>;
  readonly #lists: PgLists;
  readonly #related: PgRelatedRecords;
  readonly #outcomes: OutcomeRetention;
  readonly #audit: PgAuditLog | undefined;
  readonly #positions: PgPositions;
  readonly #commits: PgCommits;
  readonly #health: StorageHealth | undefined;
  readonly #tail: LogTail;
  readonly #bell: NodeBell;
  readonly #leases: PgLeases;
  readonly #shared: SharedStore;
  readonly #rewoundListeners: (() => void)[] = [];
  #ringElsewhere: (position: number) => boolean = () => false;

  constructor(parts: StoreParts, state: OpenedTables) {
    const { address, options, readers, writer, clock, maxLookupMs, cluster } = parts;
    this.#parts = parts;
    this.#tables = state.tables;
    this.#positions = state.positions;
    this.#lists = new PgLists(readers, options.largestScan);
    this.#related = new PgRelatedRecords({
      run: (statement) => readers.read(statement),
      plainFilter: (filter, table) => this.#lists.plainFilter(filter, table),
    });
    this.#outcomes = new OutcomeRetention(options.idempotency);
    this.#audit = state.hasAudit
      ? new PgAuditLog(readers, { ...options.audit, largestScan: options.largestScan })
      : undefined;
    this.#tail = new LogTail({
      readers,
      logs: new Map([...state.tables.values()].map(({ id, log }) => [id, log])),
      lastSeq: state.lastSeq,
      ...cluster,
      onForeign: (log) => this.#lists.changed(log.plan),
      settled: () => this.#commits.idle(),
      mark: state.mark,
      markLoss: (lastSeq, mark) => markLoss(address, { lastSeq, mark, clock }),
      onRewound: (position) => this.#rewound(position),
    });
    writer.onReconnect = async () => void (await this.#tail.look());
    this.#commits = new PgCommits({
      writer,
      tables: state.tables,
      positions: state.positions,
      version: parts.version,
      retention: options.idempotency.retention,
      tail: this.#tail,
      largestCascade: options.largestCascade,
      clock,
      maxLookupMs,
      plainFilter: (filter, table) => this.#lists.plainFilter(filter, table),
      onCommitted: (changes, kept) => this.#committed(changes, kept),
    });
    const heard = (position: number) => {
      if (position > this.#tail.lastSeq) this.#tail.look().catch(() => {});
    };
    this.#bell = new NodeBell(address, heard);
    this.#leases = new PgLeases(readers);
    this.#shared = {
      leases: this.#leases,
      messages: this.#bell,
      identity: state.identity,
      heard,
      ringWith: (ring) => {
        this.#ringElsewhere = ring;
      },
      onGrown: (listener) => this.#tail.onGrown(listener),
      onRewound: (listener) => void this.#rewoundListeners.push(listener),
      newestSeq: (tables) => this.#newestSeq(tables),
      lag: () => this.#tail.lag,
    };
    this.#health = options.health;
    this.#health?.probeWith(() => this.#probe());
  }

  get shared(): SharedStore {
    return this.#shared;
  }

  get lastSeq(): number {
    return this.#tail.lastSeq;
  }

  get audit(): AuditReader | undefined {
    return this.#audit;
  }

  lastTableSeq(table: TablePlan): number {
    return this.#of(table).log.lastSeq;
  }

  resumeFloor(table: TablePlan): number {
    return this.#of(table).log.resumeFloor;
  }

  logStart(table: TablePlan): number {
    return this.#of(table).log.logStart;
  }

  layoutSeq(table: TablePlan): number {
    return this.#of(table).log.layoutSeq;
  }

  async currentSeq(): Promise<number> {
    return this.#tail.current();
  }

  hasReached(position: number): Awaitable<boolean> {
    return this.#tail.reach(position);
  }

  /** A position that is ahead of this server may be of a change that another one has committed. */
  async wasIssued(position: number): Promise<boolean> {
    const { lastSeq } = this.#tail;
    if (position === lastSeq) return true;
    if (position < lastSeq) return this.#positions.wasIssued(position);
    return (await this.#positions.isInLog(position)) && this.#tail.reach(position);
  }

  async get(plan: TablePlan, id: RecordKey): Promise<StoredRecord | undefined> {
    const { table } = this.#of(plan);
    const { rows } = await this.#parts.readers.read(table.get(id));
    return rows[0] && toRecord(table, rows[0]);
  }

  async page(plan: TablePlan, after: RecordKey | undefined, limit: number): Promise<StoredRecord[]> {
    const { table } = this.#of(plan);
    const { rows } = await this.#parts.readers.read(table.page(after, limit));
    return rows.map((row) => toRecord(table, row));
  }

  list(plan: TablePlan, query: ListQuery): Promise<ListPage> {
    return this.#lists.list(plan, query);
  }

  records(plan: TablePlan, query: ListQuery): Promise<readonly StoredRecord[]> {
    return this.#lists.records(plan, query);
  }

  aggregate(plan: TablePlan, query: ListQuery): Promise<Aggregate> {
    return this.#lists.aggregate(plan, query);
  }

  checkScan(table: TablePlan, query: ListQuery): void {
    this.#lists.checkScan(table, query);
  }

  explain(table: TablePlan, query: ListQuery): Promise<QueryPlan> {
    return this.#lists.explain(table, query);
  }

  related(selected: SelectedRelation, key: Cell): Promise<string> {
    return this.#lists.related(selected, key);
  }

  isRelated(table: TablePlan, condition: RelatedCondition, record: JsonRecord): Promise<boolean> {
    return this.#related.isRelated(table, condition, record);
  }

  recordsBy(table: TablePlan, by: RecordsBy): Promise<readonly StoredRecord[]> {
    return this.#related.recordsBy(table, by);
  }

  readLog(plan: TablePlan, after: number, limit: number, id?: RecordKey): Promise<readonly Change[]> {
    return this.#of(plan).log.read(after, limit, id);
  }

  readLogBack(plan: TablePlan, before: number, limit: number): Promise<readonly Change[]> {
    return this.#of(plan).log.readBack(before, limit);
  }

  async expired(plan: TablePlan, now: number, limit: number): Promise<readonly RecordKey[]> {
    const { table } = this.#of(plan);
    if (!table.expires) return [];
    const { rows } = await this.#parts.readers.read(table.expired(now, limit));
    return rows.map(([key]) => toKey(plan, String(key)) as RecordKey);
  }

  async isStored({ key }: IdempotencyKey): Promise<boolean> {
    const now = this.#parts.clock?.() ?? Date.now();
    const { rows } = await this.#parts.readers.send('SELECT 1 FROM once WHERE key = $1 AND expires > $2', [key, now]);
    return rows.length > 0;
  }

  async commit(groups: readonly (WriteGroup | IdempotentGroup)[]): Promise<CommitResult> {
    try {
      return await this.#commits.write(groups);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async trim(now: number, limit: number): Promise<boolean> {
    const { readers } = this.#parts;
    const send = (sql: string, params: readonly Param[]) => readers.send(sql, params);
    let hasMore = false;
    try {
      for (const { log } of this.#tables.values()) hasMore = (await log.trim(send, now, limit)) || hasMore;
      hasMore = (await this.#outcomes.trim(send, now, limit)) || hasMore;
      hasMore = ((await this.#audit?.trim(send, now, limit)) ?? false) || hasMore;
    } catch (error) {
      throw this.#failure(error);
    }
    return hasMore;
  }

  async close(): Promise<void> {
    await this.#commits.idle();
    await this.#leases.close();
    this.#tail.close();
    await this.#bell.close();
    await this.#parts.readers.close();
    await this.#parts.writer.close();
  }

  #committed(changes: readonly Change[], kept: readonly KeptOutcomes[]): void {
    for (const change of changes) {
      this.#of(change.table).log.appended(change);
      this.#lists.committed(change);
    }
    this.#outcomes.saved(kept);
    const last = changes.at(-1);
    if (last !== undefined && !this.#ringElsewhere(last.seq)) this.#bell.ring(last.seq);
  }

  #rewound(position: number): void {
    this.#positions.rewound(position);
    for (const table of this.#tables.keys()) this.#lists.changed(table);
    for (const listener of this.#rewoundListeners) listener();
  }

  async #newestSeq(tables: Iterable<TablePlan>): Promise<number> {
    await this.#tail.look();
    return Math.max(...[...tables].map((table) => this.#of(table).log.newestSeq));
  }

  #failure(error: unknown): unknown {
    const failure = storageError(error);
    this.#health?.report(failure);
    return failure;
  }

  /** Commits a value that is never read. */
  async #probe(): Promise<void> {
    const session: PgSession = await this.#parts.writer.open();
    await session.send("INSERT INTO meta VALUES ('probe', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value", [
      String(Date.now()),
    ]);
  }

  #of(table: TablePlan): OpenTable {
    const open = this.#tables.get(table);
    if (open === undefined) throw new Error(`The store was not opened with the table ${table.name}.`);
    return open;
  }
}

function toRecord(table: PgTable, cells: readonly unknown[]): StoredRecord {
  const { row } = table.keep(cells);
  return { id: row[table.keyIndex] as RecordKey, seq: row[row.length - 1] as number, json: table.codec.toJson(row) };
}
