import type { LogRetentionConfig } from '../../../config/config.ts';
import { withoutForbiddenKeys } from '../../../schema/forbidden-key.ts';
import type { Plan, TablePlan } from '../../../schema/plan.ts';
import { keyToJson } from '../../rows/apply-write.ts';
import { OPS } from '../../rows/row.ts';
import type { Change, RecordKey } from '../../store.ts';
import type { Readers } from '../database/readers.ts';
import type { PgResult, PgRows, PgSession } from '../database/session.ts';
import { tableKey } from '../sql/names.ts';
import { sqlType } from '../sql/types.ts';
import { EntryCompletion, type LogRow } from './completion.ts';

/** Log of one table, as it is stored at the start. */
export interface StoredLog {
  /** Number of the table in the log. */
  readonly id: number;
  readonly floor: number;
  readonly shape: number;
  /** Number of the schema that has added fields while servers with an earlier one were running. */
  readonly grown: number;
  readonly lastSeq: number;
}

/** Log of one table: its state in memory, and reads. */
export class TableLog {
  readonly id: number;
  /** seq of the last schema change that changed stored records; 0 when there was none. */
  readonly layoutSeq: number;
  readonly plan: TablePlan;
  readonly #readers: Readers;
  readonly #retention: LogRetentionConfig;
  readonly #completion: EntryCompletion;
  #lastSeq: number;
  #logStart: number;
  /** Number of entries, counted at the first trim. */
  #count: number | undefined;
  /** seq of the newest entry that any answer has told, also of one that is not passed on yet. */
  #newestSeen = 0;
  /** seq of the newest entry of each record, read when it is first needed, up to `#newestUpTo`. */
  #newest: Map<string, number> | undefined;
  #newestUpTo = 0;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(plan: TablePlan, stored: StoredLog, readers: Readers, retention: LogRetentionConfig) {
    this.id = stored.id;
    this.layoutSeq = stored.shape;
    this.plan = plan;
    this.#readers = readers;
    this.#retention = retention;
    this.#completion = new EntryCompletion(plan, stored, readers);
    this.#logStart = stored.floor;
    this.#lastSeq = Math.max(stored.lastSeq, stored.floor);
  }

  /** seq of the newest entry. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** seq after which every entry is in the log. */
  get logStart(): number {
    return this.#logStart;
  }

  /** Oldest position from which a client may resume. */
  get resumeFloor(): number {
    return Math.max(this.#logStart, this.layoutSeq);
  }

  /** seq of the newest entry, also of one that subscribers do not have yet. */
  get newestSeq(): number {
    return Math.max(this.#newestSeen, this.#lastSeq);
  }

  /** Must be called for each change of the table that was committed, in order. */
  appended({ seq }: Change): void {
    this.grown(seq, 1);
  }

  /** Must be called where there are entries of other servers, with the newest one and their number. */
  grown(lastSeq: number, count: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, lastSeq);
    if (this.#count !== undefined) this.#count += count;
  }

  /** Must be called where there may be entries that are not known, up to a position. */
  mayHaveUpTo(seq: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    this.#count = undefined;
  }

  /** Must be called when the end of the log was lost, with a position after it: the table may be as it was before that. */
  rewound(position: number): void {
    this.mayHaveUpTo(position);
    this.seen(position);
    this.#newest = undefined;
  }

  /** Tells of an entry. */
  seen(seq: number): void {
    this.#newestSeen = Math.max(this.#newestSeen, seq);
  }

  async read(after: number, limit: number, id: RecordKey | undefined): Promise<Change[]> {
    if (after >= this.#lastSeq) return [];
    if (id !== undefined && !(await this.#mayHaveChanged(id, after))) return [];
    const head = this.#lastSeq;
    const ofRecord = id === undefined ? '' : ' AND id = $5';
    const entries = `SELECT seq, op, id, data, before, tx, version FROM log WHERE tbl = $1 AND seq > $2 AND seq <= $3${ofRecord} ORDER BY seq LIMIT $4`;
    const { rows } = await this.#readers.send(
      withFloor(entries, 'e.seq, e.op, e.id, e.data, e.before, e.tx, e.version'),
      [this.id, after, head, limit, ...(id === undefined ? [] : [String(id)])],
    );
    return this.#toChanges(this.#withoutFloor(rows));
  }

  /** Returns the last `limit` entries before `before`, the newest first; none that `appended` was not called for. */
  async readBack(before: number, limit: number): Promise<Change[]> {
    const { rows } = await this.#readers.send(
      'SELECT seq, op, id, data, before, tx, version FROM log WHERE tbl = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3',
      [this.id, Math.min(before, this.#lastSeq + 1), limit],
    );
    return this.#toChanges(rows);
  }

  /** Removes up to `limit` entries past retention; `now` in milliseconds since 1970. True when more are left. */
  async trim(
    send: (sql: string, params: readonly number[]) => Promise<PgResult>,
    now: number,
    limit: number,
  ): Promise<boolean> {
    this.#count ??= Number((await send('SELECT count(*) FROM log WHERE tbl = $1', [this.id])).rows[0]?.[0]);
    const surplus = this.#count - this.#retention.maxCount;
    const expiredBefore = (now - this.#retention.retention) * 1000;
    const first = await this.#entry(send, 0);
    if (first === undefined || (surplus <= 0 && first >= expiredBefore)) return false;
    const size = Math.min(limit, this.#count);
    const bySize = surplus > 0 ? ((await this.#entry(send, Math.min(size, surplus) - 1)) ?? 0) : 0;
    const byAge = Math.min(expiredBefore - 1, (await this.#entry(send, size - 1)) ?? 0);
    const upTo = Math.max(bySize, byAge);
    // One statement: the floor is moved where the entries are removed, or neither.
    const { rows } = await send(
      `WITH removed AS (DELETE FROM log WHERE tbl = $1 AND seq <= $2 RETURNING 1), moved AS (UPDATE tables SET floor = $2 WHERE id = $1) SELECT count(*) FROM removed`,
      [this.id, upTo],
    );
    const removed = Number(rows[0]?.[0]);
    this.#logStart = Math.max(this.#logStart, upTo);
    this.#count -= removed;
    // The map also has records whose entries are gone; it is read again when it is next needed.
    if (this.#newest !== undefined && this.#newest.size > 2 * this.#retention.maxCount) this.#newest = undefined;
    return removed >= limit;
  }

  async #entry(send: (sql: string, params: readonly number[]) => Promise<PgResult>, offset: number) {
    const { rows } = await send('SELECT seq FROM log WHERE tbl = $1 ORDER BY seq LIMIT 1 OFFSET $2', [this.id, offset]);
    return rows[0]?.[0] as number | undefined;
  }

  /**
   * False when the record certainly has no entry after `after`. After a restart thousands of record channels resume at
   * once; one scan answers them all, where an index would cost every write. Later entries are added to it when it is asked.
   */
  async #mayHaveChanged(id: RecordKey, after: number): Promise<boolean> {
    if (this.#newest === undefined || this.#newestUpTo < this.#lastSeq) {
      this.#reading = this.#reading.catch(() => {}).then(() => this.#readNewest());
      await this.#reading;
    }
    // Dropped meanwhile, it cannot tell.
    return this.#newest === undefined || (this.#newest.get(String(id)) ?? 0) > after;
  }

  async #readNewest(): Promise<void> {
    const upTo = this.#lastSeq;
    const known = this.#newest;
    const from = known === undefined ? 0 : this.#newestUpTo;
    if (known !== undefined && from >= upTo) return;
    const newest = 'SELECT id, max(seq) AS seq FROM log WHERE tbl = $1 AND seq > $2 AND id IS NOT NULL GROUP BY id';
    const { rows } = await this.#readers.send(withFloor(newest, 'e.seq, e.id'), [this.id, from]);
    const found = known ?? new Map<string, number>();
    for (const [seq, key] of this.#withoutFloor(rows)) found.set(key as string, seq as number);
    this.#newest = found;
    this.#newestUpTo = upTo;
  }

  /** Takes the first column, the position after which the log is complete: another server may have removed entries. */
  #withoutFloor(rows: PgRows): PgRows {
    const floor = rows[0]?.[0] as number | undefined;
    if (floor !== undefined) this.#logStart = Math.max(this.#logStart, floor);
    return rows.map((row) => row.slice(1)).filter(([seq]) => seq !== null);
  }

  async #toChanges(rows: PgRows): Promise<Change[]> {
    return (await this.#completion.complete(rows as unknown as LogRow[])).map((row) => toChange(this.plan, row));
  }
}

/** Returns a statement that reads entries together with the position after which the log is complete, as both are at one moment. */
function withFloor(entries: string, columns: string): string {
  return `SELECT t.floor, ${columns} FROM tables AS t LEFT JOIN LATERAL (${entries}) AS e ON true WHERE t.id = $1 ORDER BY e.seq`;
}

/** Returns the key of a record from its text. */
export function toKey({ primaryKey }: TablePlan, text: string | null): RecordKey | null {
  if (text === null || sqlType(primaryKey.type) === 'text') return text;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

/** Reads the state of the log of each table of the plan, and the newest position of all. */
export async function openLogs(session: PgSession, plan: Plan) {
  const newest = '(SELECT max(seq) FROM log WHERE tbl = t.id)';
  const { rows } = await session.send(`SELECT name, id, floor, shape, grown, coalesce(${newest}, 0) FROM tables AS t`);
  const stored = new Map(
    (rows as [string, number, number, number, number, number][]).map(([name, id, floor, shape, grown, lastSeq]) => [
      name,
      { id, floor, shape, grown, lastSeq },
    ]),
  );
  const logs = new Map<TablePlan, StoredLog>();
  for (const table of plan.tables) {
    const log = stored.get(tableKey(table));
    if (log !== undefined) logs.set(table, log);
  }
  return { logs, lastSeq: await newestPosition(session) };
}

/** Returns the newest position that was ever issued, also by tables that have left the schema. */
export async function newestPosition(session: PgSession): Promise<number> {
  const marks = 'SELECT max(greatest(floor, shape)) FROM tables';
  const { rows } = await session.send(`SELECT greatest(0, (${marks}), (SELECT max(seq) FROM log))`);
  return Number(rows[0]?.[0]);
}

/** A row of the log, with the columns that an entry is written with. */
export function toChange(plan: TablePlan, [seq, op, id, data, before, transaction]: readonly unknown[]): Change {
  const key = toKey(plan, id as string | null);
  return {
    seq: seq as number,
    table: plan,
    op: OPS[(op as number) - 1] as Change['op'],
    id: key,
    data: data === null ? keyToJson(plan.primaryKey, key) : withoutForbiddenKeys(data as string),
    before: before === null ? null : withoutForbiddenKeys(before as string),
    ...(transaction === null ? {} : { transaction: transaction as number }),
  };
}
