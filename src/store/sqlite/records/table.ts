import type { Database, Statement } from 'better-sqlite3';
import type { TablePlan } from '../../../schema/plan.ts';
import { hasLong } from '../../rows/codec.ts';
import { type Row, RowLayout, type WritableRows } from '../../rows/row.ts';
import type { Cell, RecordKey } from '../../store.ts';
import { FulltextIndex } from '../sql/fulltext.ts';
import { LIMIT } from '../sql/limit.ts';
import { logName, quote, recordsName } from '../sql/table-names.ts';
import type { RowCache } from './row-cache.ts';

/** Reads the rows of one table on one connection. */
export class SqliteRows extends RowLayout {
  readonly columns: string;
  /** True when rows are read with BigInt integers, since a Long does not fit a double. */
  readonly bigIntegers: boolean;
  readonly #get: Statement;
  readonly #page: Statement;
  readonly #firstPage: Statement;

  constructor(db: Database, plan: TablePlan) {
    super(plan);
    this.bigIntegers = hasLong(plan);
    this.columns = [...plan.fields.map((field) => quote(field.name)), '_seq'].join(', ');
    const key = quote(plan.primaryKey.name);
    const from = `SELECT ${this.columns} FROM ${recordsName(plan)}`;
    const prepare = (sql: string) => db.prepare(sql).raw().safeIntegers(this.bigIntegers);
    this.#get = prepare(`${from} WHERE ${key} = ?`);
    this.#firstPage = prepare(`${from} ORDER BY ${key} ${LIMIT}`);
    this.#page = prepare(`${from} WHERE ${key} > ? ORDER BY ${key} ${LIMIT}`);
  }

  get(id: RecordKey): Row | undefined {
    return this.readRow(this.#get.get(id) as Cell[] | undefined);
  }

  page(after: RecordKey | undefined, limit: number): Row[] {
    const rows = after === undefined ? this.#firstPage.all(limit) : this.#page.all(after, limit);
    return (rows as Cell[][]).map((row) => this.readRow(row) as Row);
  }

  /** Converts BigInts that fit a double to numbers, so that cells can be compared with `===`. */
  readRow(row: Cell[] | undefined): Row | undefined {
    if (row === undefined || !this.bigIntegers) return row;
    for (let i = 0; i < row.length; i++) {
      const cell = row[i];
      if (typeof cell !== 'bigint') continue;
      const value = Number(cell);
      if (Number.isSafeInteger(value)) row[i] = value;
    }
    return row;
  }
}

/** Prepared statements of one table, with a cache of its rows. */
export class SqliteTable extends SqliteRows implements WritableRows {
  readonly #db: Database;
  readonly #rows: RowCache;
  /** Made when it is first needed: only tables that others refer to are asked. */
  #has: Statement | undefined;
  readonly #fulltext: readonly { readonly column: number; readonly index: FulltextIndex }[];
  readonly #insert: Statement;
  readonly #updates: UpdateStatements;
  readonly #delete: Statement;
  readonly #log: Statement;
  readonly #logOfRecord: Statement;
  readonly #logBack: Statement;
  readonly #expired: Statement | undefined;
  readonly #expiresAt: Statement | undefined;

  constructor(db: Database, plan: TablePlan, rows: RowCache) {
    super(db, plan);
    this.#db = db;
    this.#rows = rows;
    this.#fulltext = plan.fields.flatMap((field, column) =>
      field.fulltext ? [{ column, index: new FulltextIndex(db, plan, field) }] : [],
    );
    const records = recordsName(plan);
    const log = logName(plan);
    const key = quote(plan.primaryKey.name);
    const names = plan.fields.map((field) => quote(field.name));
    const written = [...names, '_seq', ...(this.expires ? ['_expires'] : [])];
    this.#insert = db.prepare(`INSERT INTO ${records} (${written}) VALUES (${written.map(() => '?')})`);
    this.#updates = new UpdateStatements(db, plan, this.expires);
    this.#delete = db.prepare(`DELETE FROM ${records} WHERE ${key} = ?`);
    const entries = `SELECT seq, op, id, data, before, tx FROM ${log} WHERE seq`;
    this.#log = db.prepare(`${entries} > ? ORDER BY seq ${LIMIT}`).raw();
    this.#logOfRecord = db.prepare(`${entries} > ? AND id = ? ORDER BY seq ${LIMIT}`).raw();
    this.#logBack = db.prepare(`${entries} < ? ORDER BY seq DESC ${LIMIT}`).raw();
    this.#expired = this.expires
      ? db.prepare(`SELECT ${key} FROM ${records} WHERE _expires <= ? ORDER BY _expires ${LIMIT}`).pluck()
      : undefined;
    this.#expiresAt = this.expires ? db.prepare(`SELECT _expires FROM ${records} WHERE ${key} = ?`).pluck() : undefined;
  }

  /** Returns the time at which the record expires, in milliseconds since 1970; null for never. */
  expiresAt(id: RecordKey): number | null {
    return (this.#expiresAt?.get(id) ?? null) as number | null;
  }

  /** Returns the row from the cache; undefined when it has to be read. */
  getCached(id: RecordKey): Row | undefined {
    return this.#rows.get(id);
  }

  /** Returns the row for a write, which is not cached: it is about to change. */
  override get(id: RecordKey): Row | undefined {
    return this.#rows.get(id) ?? super.get(id);
  }

  /** True when the record is there. */
  has(id: RecordKey): boolean {
    if (this.#rows.get(id) !== undefined) return true;
    this.#has ??= this.#db.prepare(
      `SELECT 1 FROM ${recordsName(this.plan)} WHERE ${quote(this.plan.primaryKey.name)} = ?`,
    );
    return this.#has.get(id) !== undefined;
  }

  /** Caches a row that was read. */
  cache(id: RecordKey, row: Row): void {
    // A key that is stored in another form would be removed from the cache under that form only.
    if (row[this.keyIndex] === id) this.#rows.set(id, row);
  }

  insert(row: readonly Cell[], seq: number, expires: number | null): void {
    this.#insert.run(...row, seq, ...(this.expires ? [expires] : []));
    for (const { column, index } of this.#fulltext) index.insert(row[this.keyIndex] as RecordKey, row[column] as Cell);
  }

  /** Updates a row. `changed`: indexes of the cells that differ, at least one. */
  update(row: readonly Cell[], changed: readonly number[], seq: number, expires: number | null): void {
    const key = row[this.keyIndex] as RecordKey;
    const values: Cell[] = [];
    for (const column of changed) values.push(row[column] as Cell);
    values.push(seq);
    if (this.expires) values.push(expires);
    values.push(key);
    this.#updates.of(changed).run(...values);
    for (const { column, index } of this.#fulltext) {
      if (!changed.includes(column)) continue;
      index.delete(key);
      index.insert(key, row[column] as Cell);
    }
    this.#rows.delete(key);
  }

  delete(id: RecordKey): void {
    this.#rows.delete(id);
    this.#delete.run(id);
    for (const { index } of this.#fulltext) index.delete(id);
  }

  log(after: number, limit: number, id: RecordKey | undefined): unknown[][] {
    const rows = id === undefined ? this.#log.all(after, limit) : this.#logOfRecord.all(after, id, limit);
    return rows as unknown[][];
  }

  logBack(before: number, limit: number): unknown[][] {
    return this.#logBack.all(before, limit) as unknown[][];
  }

  expired(now: number, limit: number): RecordKey[] {
    return (this.#expired?.all(now, limit) ?? []) as RecordKey[];
  }
}

/** Prepared statements per table; most tables are changed in few ways. */
const MAX_STATEMENTS = 50;

/**
 * Statements that update records of a table, by the fields that change: SQLite rewrites an index whenever one of its
 * columns is set, even to the same value.
 */
export class UpdateStatements {
  readonly #db: Database;
  readonly #plan: TablePlan;
  readonly #expires: boolean;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Database, plan: TablePlan, expires: boolean) {
    this.#db = db;
    this.#plan = plan;
    this.#expires = expires;
  }

  /** Returns a statement with the parameters: the cells of these columns, the seq, with `expires` the time of expiry, and the key. */
  of(columns: readonly number[]): Statement {
    const key = columns.join();
    let statement = this.#statements.get(key);
    if (statement === undefined) {
      statement = this.#prepare(columns);
      if (this.#statements.size >= MAX_STATEMENTS) {
        this.#statements.delete(this.#statements.keys().next().value as string);
      }
      this.#statements.set(key, statement);
    }
    return statement;
  }

  #prepare(columns: readonly number[]): Statement {
    const { fields, primaryKey } = this.#plan;
    const names = columns.map((column) => quote((fields[column] as (typeof fields)[number]).name));
    const set = [...names, '_seq', ...(this.#expires ? ['_expires'] : [])].map((name) => `${name} = ?`);
    return this.#db.prepare(
      `UPDATE ${recordsName(this.#plan)} SET ${set.join(', ')} WHERE ${quote(primaryKey.name)} = ?`,
    );
  }
}
