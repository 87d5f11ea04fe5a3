import type { AuditConfig } from '../../config/config.ts';
import type { TablePlan } from '../../schema/plan.ts';
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
import type { Readers } from './database/readers.ts';
import type { SendSql } from './database/session.ts';
import { finalSeq } from './records/table.ts';
import type { PgStatement } from './sql/params.ts';
import { type Param, toArray } from './sql/types.ts';

/** Audit entries of one table in an open commit. */
export class PgAudit implements AuditWriter {
  readonly #name: string;
  readonly #codec: ChangeCodec;
  readonly #rows: AuditRow[] = [];

  constructor(table: TablePlan) {
    this.#name = auditName(table);
    this.#codec = new ChangeCodec(table.fields);
  }

  get mark(): number {
    return this.#rows.length;
  }

  undoTo(mark: number): void {
    this.#rows.length = mark;
  }

  append(seq: number, op: AuditedOp, { write: { id, by }, before, after }: AuditedWrite): void {
    const entry = { seq, op, table: this.#name, id: String(id), changes: this.#codec.toJson(before, after) };
    this.#rows.push(toAuditRow(entry, by));
  }

  statements(): PgStatement[] {
    if (this.#rows.length === 0) return [];
    const types = ['bigint', 'smallint', 'text', 'text', 'smallint', 'text', 'text', 'text', 'text'];
    const arrays = types.map((type, index) => `$${index + 1}::${type}[]`).join(', ');
    const cells = types.map((_, index) => `c${index}`);
    const rest = cells.slice(1).map((cell) => `u.${cell}`);
    return [
      {
        sql: `INSERT INTO audit (${AUDIT_COLUMNS}) SELECT ${finalSeq('u.c0')}, ${rest.join(', ')} FROM unnest(${arrays}) AS u(${cells.join(', ')})`,
        params: types.map((_, index) => toArray(this.#rows.map((row) => row[index] as Param))),
      },
    ];
  }
}

export interface PgAuditOptions extends AuditConfig {
  /** Maximum of entries that a page may read one by one. */
  readonly largestScan: number;
}

/** Audit log of the tables with `@audit`: one entry for each change of a record, written in its transaction. */
export class PgAuditLog implements AuditReader {
  readonly #readers: Readers;
  readonly #options: PgAuditOptions;

  constructor(readers: Readers, options: PgAuditOptions) {
    this.#readers = readers;
    this.#options = options;
  }

  async page(query: AuditQuery): Promise<AuditPage> {
    const end = await this.#endOfScan(query);
    const { sql, params } = compileConditions(query, [end ?? -1]);
    const { rows } = await this.#readers.send(
      `SELECT ${AUDIT_COLUMNS} FROM audit WHERE ${sql} AND seq > $1 ORDER BY seq DESC LIMIT ${query.limit + 1}`,
      params,
    );
    return toAuditPage(rows as unknown as Iterable<AuditRow>, query.limit, end);
  }

  /** Removes up to `limit` entries past retention; true when more are left. */
  async trim(send: SendSql, now: number, limit: number): Promise<boolean> {
    const remove = 'DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq';
    const beyond = '(SELECT seq FROM audit ORDER BY seq DESC LIMIT 1 OFFSET $1)';
    const surplus = await send(`${remove} <= ${beyond} ORDER BY seq LIMIT $2)`, [this.#options.maxCount, limit]);
    if (surplus.count >= limit) return true;
    const expiredBefore = (now - this.#options.retention) * 1000;
    const old = await send(`${remove} < $1 ORDER BY seq LIMIT $2)`, [expiredBefore, limit - surplus.count]);
    return old.count + surplus.count >= limit;
  }

  /** Returns the seq of the first entry beyond the scan limit; undefined when all may be read. */
  async #endOfScan({ id, sub, after, before }: AuditQuery): Promise<number | undefined> {
    // Of an index only what it finds is looked at.
    const found = id !== undefined ? { id } : sub !== undefined ? { sub } : {};
    const range = { ...(after === undefined ? {} : { after }), ...(before === undefined ? {} : { before }) };
    const { sql, params } = compileConditions({ ...found, ...range }, [this.#options.largestScan]);
    const statement = `SELECT seq FROM audit WHERE ${sql} ORDER BY seq DESC LIMIT 1 OFFSET $1`;
    return (await this.#readers.send(statement, params)).rows[0]?.[0] as number | undefined;
  }
}

function compileConditions(query: Omit<AuditQuery, 'limit'>, first: readonly Param[]): PgStatement {
  const { table, id, sub, actor, op, after, before } = query;
  const params: Param[] = [...first];
  const conditions: readonly (readonly [sql: string, value: Param | undefined])[] = [
    ['id =', id],
    ['sub =', sub],
    ['actor =', actor && ACTOR_TYPES.indexOf(actor)],
    ['op =', op && AUDITED_OPS.indexOf(op)],
    ['seq >', after],
    ['seq <', before],
    // Names of tables are compared without case.
    ['lower(tbl) =', table?.toLowerCase()],
  ];
  const given = conditions.filter(([, value]) => value !== undefined);
  const sql = given.map(([condition, value]) => `${condition} $${params.push(value as Param)}`);
  return { sql: sql.length === 0 ? 'true' : sql.join(' AND '), params };
}
