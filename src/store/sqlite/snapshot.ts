import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Filter } from '../../query/index.ts';
import { planMigration } from '../../schema/migration/diff.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import type { SnapshotPage, SnapshotRecord, StoreSnapshot } from '../engine.ts';
import { StoreOpenError } from '../open-errors.ts';
import { hasLong, RowCodec } from '../rows/codec.ts';
import type { Cell, Change } from '../store.ts';
import { databaseFile, describeOpenError, registerFunctions } from './database/open.ts';
import { StatementCache } from './database/statement-cache.ts';
import { newestPosition } from './log/layout.ts';
import { readResumeFloor, toChange } from './log/log.ts';
import { readStored } from './migrate/saved.ts';
import { compileFilterSql } from './sql/condition.ts';
import { LIMIT } from './sql/limit.ts';
import { logName, NAMES, quote, recordsName } from './sql/table-names.ts';

/** Opens a snapshot of the store in the folder on a connection of its own; undefined where there is none. */
export function openSqliteSnapshot(plan: Plan, dir: string): StoreSnapshot | undefined {
  const file = databaseFile(dir);
  if (!existsSync(file)) return undefined;
  const db = new Database(file, { readonly: true });
  try {
    registerFunctions(db);
    // The first read begins the snapshot, which lasts until the connection is closed.
    db.exec('BEGIN');
    const stored = readStored(db);
    if (stored === undefined) {
      db.close();
      return undefined;
    }
    const isOther = planMigration(stored, plan).some(({ type }) => type !== 'keep-table' && !type.endsWith('conflict'));
    if (isOther) {
      const advice = 'Start the server with it, or run: tablecast migrate apply';
      throw new StoreOpenError(`The schema is not as stored in ${file}. ${advice}`);
    }
    return new SqliteSnapshot(db, newestPosition(db, stored));
  } catch (error) {
    db.close();
    throw describeOpenError(file, error);
  }
}

const ALIAS = 't';

class SqliteSnapshot implements StoreSnapshot {
  readonly position: number;
  readonly #db: Database.Database;
  readonly #statements: StatementCache;
  readonly #codecs = new Map<TablePlan, RowCodec>();

  constructor(db: Database.Database, position: number) {
    this.#db = db;
    this.position = position;
    this.#statements = new StatementCache(db, (statement) => statement.raw());
  }

  page(table: TablePlan, { filter, after, limit }: SnapshotPage): SnapshotRecord[] {
    const key = `${ALIAS}.${quote(table.primaryKey.name)}`;
    const where = conditionsOf(table, filter);
    if (after !== undefined) {
      where.sql.push(`${key} > ?`);
      where.params.push(after);
    }
    const columns = table.fields.map(({ name }) => `${ALIAS}.${quote(name)}`);
    const sql = `SELECT ${columns} FROM ${recordsName(table)} AS ${ALIAS} WHERE ${where.sql.join(' AND ')} ORDER BY ${key} ${LIMIT}`;
    const statement = this.#statements.get(sql).safeIntegers(hasLong(table));
    const keyIndex = table.fields.indexOf(table.primaryKey);
    const codec = this.#codecOf(table);
    const rows = statement.all(...where.params, limit) as Cell[][];
    return rows.map((row) => ({ id: row[keyIndex] as SnapshotRecord['id'], json: codec.toJson(row) }));
  }

  count(table: TablePlan, filter: Filter | undefined): number {
    const { sql, params } = conditionsOf(table, filter);
    const statement = `SELECT count(*) FROM ${recordsName(table)} AS ${ALIAS} WHERE ${sql.join(' AND ')}`;
    return (this.#statements.get(statement).get(...params) as [number])[0];
  }

  resumeFloor(table: TablePlan): number {
    return readResumeFloor(this.#db, table);
  }

  readLog(table: TablePlan, after: number, limit: number): Change[] {
    const sql = `SELECT seq, op, id, data, before, tx FROM ${logName(table)} WHERE seq > ? ORDER BY seq ${LIMIT}`;
    return (this.#statements.get(sql).all(after, limit) as unknown[][]).map((row) => toChange(table, row));
  }

  close(): void {
    this.#db.close();
  }

  #codecOf(table: TablePlan): RowCodec {
    let codec = this.#codecs.get(table);
    if (codec === undefined) {
      codec = new RowCodec(table.fields.map((field) => ({ ...field, hidden: false })));
      this.#codecs.set(table, codec);
    }
    return codec;
  }
}

function conditionsOf(table: TablePlan, filter: Filter | undefined): { sql: string[]; params: Cell[] } {
  if (filter === undefined) return { sql: ['true'], params: [] };
  const { sql, params } = compileFilterSql(filter, { alias: ALIAS, table, names: NAMES });
  return { sql: [sql], params: [...params] };
}
