import type { Database, Statement } from 'better-sqlite3';
import type { AuditConfig } from '../../config/config.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import {
  ACTOR_TYPES,
  AUDITED_OPS,
  type AuditedOp,
  type AuditPage,
  type AuditQuery,
  type AuditReader,
  auditName,
} from '../audit.ts';
import type { AuditedWrite, AuditWriter } from '../rows/apply-write.ts';
import { AUDIT_COLUMNS, type AuditRow, toAuditPage, toAuditRow } from '../rows/audit-row.ts';
import { ChangeCodec } from '../rows/change-codec.ts';
import type { Cell } from '../store.ts';
import { StatementCache } from './database/statement-cache.ts';
import { LIMIT } from './sql/limit.ts';

/** Long columns are last, so that reading the others does not read them. Table names are compared without case. */
const CREATE = `CREATE TABLE IF NOT EXISTS tablecast_audit (
  seq INTEGER PRIMARY KEY, op INTEGER NOT NULL, tbl TEXT NOT NULL COLLATE NOCASE, id TEXT NOT NULL,
  actor INTEGER NOT NULL, sub TEXT, roles TEXT, api_key TEXT, changes TEXT NOT NULL
) STRICT`;
/** Every index ends with the seq (the rowid), so that entries found by it are in order. */
const INDEXES = [
  'CREATE INDEX IF NOT EXISTS "tablecast_audit.id" ON tablecast_audit (id)',
  'CREATE INDEX IF NOT EXISTS "tablecast_audit.sub" ON tablecast_audit (sub) WHERE sub IS NOT NULL',
];
export interface AuditOptions extends AuditConfig {
  /** Maximum of entries that a page may read one by one. */
  readonly largestScan: number;
}

/** Opens the audit log, which is created for the first table with `@audit`; undefined when there never was one. */
export function openAudit(db: Database, { tables }: Plan, options: AuditOptions): AuditLog | undefined {
  const isThere = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'tablecast_audit'").get() !== undefined;
  if (!isThere && !tables.some(({ audited }) => audited)) return undefined;
  for (const sql of [CREATE, ...INDEXES]) db.exec(sql);
  return new AuditLog(db, options);
}

/** Writer of one table's audit entries, in the open transaction. */
export class TableAudit implements AuditWriter {
  readonly #append: Statement;
  readonly #name: string;
  readonly #codec: ChangeCodec;

  constructor(table: TablePlan, append: Statement) {
    this.#append = append;
    this.#name = auditName(table);
    this.#codec = new ChangeCodec(table.fields);
  }

  append(seq: number, op: AuditedOp, { write: { id, by }, before, after }: AuditedWrite): void {
    const entry = { seq, op, table: this.#name, id: String(id), changes: this.#codec.toJson(before, after) };
    this.#append.run(...toAuditRow(entry, by));
  }
}

/** Audit log of the tables with `@audit`: one entry for each change of a record, written in its transaction. */
export class AuditLog implements AuditReader {
  readonly #options: AuditOptions;
  readonly #append: Statement;
  readonly #positions: StatementCache;
  readonly #entries: StatementCache;
  readonly #newest: Statement;
  readonly #countAll: Statement;
  readonly #countAfter: Statement;
  readonly #oldest: Statement;
  readonly #remove: Statement;
  /** Number of entries, counted at the first trim and then from the last entry that was counted. */
  #count = 0;
  /** seq of the last entry that was counted. */
  #countedTo: number | undefined;

  constructor(db: Database, options: AuditOptions) {
    this.#options = options;
    this.#append = db.prepare('INSERT INTO tablecast_audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#positions = new StatementCache(db);
    this.#entries = new StatementCache(db, (statement) => statement.raw());
    this.#newest = db.prepare('SELECT max(seq) FROM tablecast_audit').pluck();
    // SQLite counts in the index of ids, which is far smaller than the table.
    this.#countAll = db.prepare('SELECT count(*) FROM tablecast_audit').pluck();
    this.#countAfter = db.prepare('SELECT count(*) FROM tablecast_audit WHERE seq > ?').pluck();
    this.#oldest = db.prepare('SELECT min(seq) FROM tablecast_audit').pluck();
    this.#remove = db.prepare(
      `DELETE FROM tablecast_audit WHERE seq IN (SELECT seq FROM tablecast_audit WHERE seq < ? ORDER BY seq ${LIMIT})`,
    );
  }

  /** Returns the writer of a table's entries; undefined for a table without `@audit`. */
  of(table: TablePlan): TableAudit | undefined {
    return table.audited ? new TableAudit(table, this.#append) : undefined;
  }

  page(query: AuditQuery): AuditPage {
    const end = this.#endOfScan(query);
    const { sql, params } = compileConditions(query);
    const statement = `SELECT ${AUDIT_COLUMNS} FROM tablecast_audit WHERE ${sql} AND seq > ? ORDER BY seq DESC`;
    const rows = this.#entries.get(statement).iterate(...params, end ?? -1);
    return toAuditPage(rows as Iterable<AuditRow>, query.limit, end);
  }

  /** Removes up to `limit` entries past retention; true when more are left. */
  trim(now: number, limit: number): boolean {
    const newest = this.#newest.get() as number | null;
    if (newest === null) return false;
    if (this.#countedTo === undefined) this.#count = this.#countAll.get() as number;
    else if (newest > this.#countedTo) this.#count += this.#countAfter.get(this.#countedTo) as number;
    this.#countedTo = newest;
    const surplus = Math.min(limit, this.#count - this.#options.maxCount);
    const expiredBefore = (now - this.#options.retention) * 1000;
    let removed = surplus > 0 ? this.#remove.run(Number.MAX_SAFE_INTEGER, surplus).changes : 0;
    // Even a statement that removes nothing would begin a transaction.
    if (removed < limit && ((this.#oldest.get() as number | null) ?? expiredBefore) < expiredBefore) {
      removed += this.#remove.run(expiredBefore, limit - removed).changes;
    }
    this.#count -= removed;
    return removed >= limit;
  }

  /** Returns the seq of the first entry beyond the scan limit; undefined when all may be read. */
  #endOfScan({ id, sub, after, before }: AuditQuery): number | undefined {
    // Of an index only what it finds is looked at.
    const found = id !== undefined ? { id } : sub !== undefined ? { sub } : {};
    const range = { ...(after === undefined ? {} : { after }), ...(before === undefined ? {} : { before }) };
    const { sql, params } = compileConditions({ ...found, ...range });
    const statement = `SELECT seq FROM tablecast_audit WHERE ${sql} ORDER BY seq DESC LIMIT 1 OFFSET ?`;
    return this.#positions.get(statement).get(...params, this.#options.largestScan) as number | undefined;
  }
}

function compileConditions(query: Omit<AuditQuery, 'limit'>): {
  readonly sql: string;
  readonly params: readonly Cell[];
} {
  const { table, id, sub, actor, op, after, before } = query;
  const conditions: readonly (readonly [sql: string, value: Cell | undefined])[] = [
    ['id = ?', id],
    // The plus keeps SQLite from using an index for it: the index of ids is the one whose entries were counted.
    [id === undefined ? 'sub = ?' : '+sub = ?', sub],
    ['tbl = ?', table],
    ['actor = ?', actor && ACTOR_TYPES.indexOf(actor)],
    ['op = ?', op && AUDITED_OPS.indexOf(op)],
    ['seq > ?', after],
    ['seq < ?', before],
  ];
  const given = conditions.filter(([, value]) => value !== undefined);
  return {
    sql: given.length === 0 ? 'true' : given.map(([sql]) => sql).join(' AND '),
    params: given.map(([, value]) => value as Cell),
  };
}
