import { join } from 'node:path';
import type { Database, Statement } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { compileListSql, type ListQuery, type SqlValue } from '../query/index.ts';
import type { Plan, TablePlan } from '../schema/plan.ts';
import { applyWrite, keyToJson, type WriteContext } from './apply-write.ts';
import { RowCodec } from './codec.ts';
import { expiryOf } from './expiry.ts';
import { type DirectoryLock, lockDirectory } from './lock.ts';
import { constraintError, storageError } from './sqlite-errors.ts';
import { LogState } from './sqlite-log.ts';
import { migrate } from './sqlite-migrate.ts';
import { describeOpenError, openDatabase } from './sqlite-open.ts';
import { OPS, type Row, recordsName, SqliteTable } from './sqlite-table.ts';
import { StatementCache } from './statement-cache.ts';
import type {
  Change,
  CommitResult,
  Key,
  Store,
  StoredRecord,
  StoreOptions,
  WriteGroup,
  WriteOutcome,
} from './store.ts';

/** Opens the embedded store in `options.dir`, creating or migrating what the plan needs. */
export function openSqliteStore(plan: Plan, options: StoreOptions): SqliteStore {
  const lock = lockDirectory(options.dir);
  const file = join(options.dir, 'data.db');
  let db: Database | undefined;
  try {
    db = openDatabase(file, options);
    migrate(db, plan, options);
    return new SqliteStore(db, plan, options, lock);
  } catch (error) {
    db?.close();
    lock.release();
    throw describeOpenError(file, error);
  }
}

interface CompiledList {
  readonly statement: Statement;
  readonly params: readonly SqlValue[];
  readonly codec: RowCodec;
}

interface OpenTable {
  readonly table: SqliteTable;
  readonly context: Pick<WriteContext, 'table' | 'expiry'>;
  readonly log: LogState;
}

export class SqliteStore implements Store {
  readonly #db: Database;
  readonly #lock: DirectoryLock;
  readonly #tables = new Map<TablePlan, OpenTable>();
  readonly #lists: StatementCache;
  readonly #compiled = new WeakMap<ListQuery, CompiledList>();
  readonly #statements: Record<'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'undo', Statement>;
  #head: number;
  #now = 0;

  constructor(db: Database, plan: Plan, options: StoreOptions, lock: DirectoryLock) {
    this.#db = db;
    this.#lock = lock;
    this.#lists = new StatementCache(db);
    for (const table of plan.tables) {
      const sqliteTable = new SqliteTable(db, table);
      const context = { table: sqliteTable, expiry: expiryOf(table) };
      this.#tables.set(table, { table: sqliteTable, context, log: new LogState(db, table, options.events) });
    }
    this.#head = Math.max(0, ...[...this.#tables.values()].map(({ log }) => log.head));
    this.#statements = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      rollback: db.prepare('ROLLBACK'),
      savepoint: db.prepare('SAVEPOINT write_group'),
      release: db.prepare('RELEASE write_group'),
      undo: db.prepare('ROLLBACK TO write_group'),
    };
  }

  get head(): number {
    return this.#head;
  }

  tableHead(table: TablePlan): number {
    return this.#of(table).log.head;
  }

  floor(table: TablePlan): number {
    return this.#of(table).log.floor;
  }

  get(plan: TablePlan, id: Key): StoredRecord | undefined {
    const { table } = this.#of(plan);
    const row = table.get(id);
    return row && toRecord(table, row);
  }

  page(plan: TablePlan, after: Key | undefined, limit: number): StoredRecord[] {
    const { table } = this.#of(plan);
    return table.page(after, limit).map((row) => toRecord(table, row));
  }

  list(plan: TablePlan, query: ListQuery): string {
    const { table } = this.#of(plan);
    const { statement, params, codec } = this.#compile(table, query);
    const rows = statement.all(...params) as Row[];
    let json = '[';
    for (let i = 0; i < rows.length; i++) {
      json += (i === 0 ? '' : ',') + codec.toJson(table.readRow(rows[i]) as Row);
    }
    return `${json}]`;
  }

  readLog(plan: TablePlan, after: number, limit: number, id?: Key): Change[] {
    const { table, log } = this.#of(plan);
    if (after >= log.head) return [];
    if (id !== undefined && !log.mayHaveChanged(id, after)) return [];
    return table.log(after, limit, id).map(([seq, op, id, data, before]) => ({
      seq: seq as number,
      table: plan,
      op: OPS[(op as number) - 1] as Change['op'],
      id: id as Key | null,
      data: (data as string | null) ?? keyToJson(plan.primaryKey, id as Key),
      before: before as string | null,
    }));
  }

  expired(plan: TablePlan, now: number, limit: number): Key[] {
    return this.#of(plan).table.expired(now, limit);
  }

  commit(groups: readonly WriteGroup[]): CommitResult {
    const head = this.#head;
    try {
      this.#statements.begin.run();
      // One clock for all: a batch has seqs next to each other.
      this.#now = Date.now();
      const changes: Change[] = [];
      const results = groups.map((group) => this.#applyGroup(group, changes));
      this.#statements.commit.run();
      for (const change of changes) this.#of(change.table).log.appended(change);
      return { results, changes };
    } catch (error) {
      this.#head = head;
      if (this.#db.inTransaction) this.#statements.rollback.run();
      throw storageError(error);
    }
  }

  trim(now: number, limit: number): boolean {
    let left = false;
    try {
      for (const { log } of this.#tables.values()) left = log.trim(now, limit) || left;
    } catch (error) {
      throw storageError(error);
    }
    return left;
  }

  close(): void {
    try {
      // What the planner learned of the data, for the next start.
      this.#db.pragma('optimize');
      this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // Another process holds the database: both can be done at the next start, and nothing is lost.
    }
    this.#db.close();
    this.#lock.release();
  }

  /** A group of one needs no savepoint: a statement that breaks a constraint undoes itself. */
  #applyGroup(group: WriteGroup, changes: Change[]): readonly WriteOutcome[] | AppError {
    const single = group.length === 1;
    const start = changes.length;
    const head = this.#head;
    if (!single) this.#statements.savepoint.run();
    try {
      const outcomes = group.map((write) => applyWrite(this.#context(write.table, changes), write));
      if (!single) this.#statements.release.run();
      return outcomes;
    } catch (error) {
      const refused = error instanceof AppError ? error : constraintError(error);
      if (refused === undefined) throw error;
      changes.length = start;
      // A seq that was not committed must not be told to anybody as a position: a restart would not know it.
      this.#head = head;
      if (!single) {
        this.#statements.undo.run();
        this.#statements.release.run();
      }
      return refused;
    }
  }

  /** Queries are frozen and come again: what was made of one is kept for as long as somebody has it. */
  #compile(table: SqliteTable, query: ListQuery): CompiledList {
    let compiled = this.#compiled.get(query);
    if (compiled === undefined) {
      const { sql, params } = compileListSql(query, table.plan, recordsName(table.plan));
      const codec = query.select === undefined ? table.codec : new RowCodec(query.select);
      compiled = { statement: this.#lists.get(sql, table), params, codec };
      this.#compiled.set(query, compiled);
    }
    return compiled;
  }

  #context(plan: TablePlan, changes: Change[]): WriteContext {
    const now = this.#now;
    const { table, expiry } = this.#of(plan).context;
    return {
      table,
      expiry,
      now,
      // Ahead of the clock by one microsecond a change at most; the clock going back does not take the seq with it.
      nextSeq: () => {
        this.#head = Math.max(this.#head + 1, now * 1000);
        return this.#head;
      },
      committed: (change) => changes.push(change),
    };
  }

  #of(table: TablePlan): OpenTable {
    const open = this.#tables.get(table);
    if (open === undefined) throw new Error(`The store was not opened with the table ${table.name}.`);
    return open;
  }
}

function toRecord(table: SqliteTable, row: Row): StoredRecord {
  return { id: row[table.keyIndex] as Key, seq: row[row.length - 1] as number, json: table.codec.toJson(row) };
}
