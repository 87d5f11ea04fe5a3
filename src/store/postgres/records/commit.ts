import { AppError } from '../../../errors.ts';
import type { Filter } from '../../../query/index.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { expiryOf } from '../../expiry.ts';
import { type Place, placeError, placeOfKey } from '../../placed-error.ts';
import {
  applyWrite,
  markTransaction,
  type OneWrite,
  type Transaction,
  type WriteContext,
} from '../../rows/apply-write.ts';
import { checkExpected, type SelectedWrite, sumUp, tooManyRecords, writeOf } from '../../rows/bulk.ts';
import { settleRelated } from '../../rows/related.ts';
import { type BulkWrite, isBulk, tableChanged, type Write } from '../../rows/write.ts';
import type {
  Awaitable,
  Change,
  IdempotentGroup,
  RecordKey,
  RelatedReader,
  WriteGroup,
  WriteOutcome,
} from '../../store.ts';
import { PgAudit } from '../audit.ts';
import type { PgSession } from '../database/session.ts';
import { toKey } from '../log/log.ts';
import { compileCount, compileKeys } from '../sql/list.ts';
import { Burst } from './burst.ts';
import { CommitRows } from './commit-rows.ts';
import { DRAFT, type GroupResult, type KeptOutcomes, replay, type StoredOutcomes } from './idempotency.ts';
import { OverlayTable } from './overlay.ts';
import { PgReferences } from './references.ts';
import { PgRelatedRecords } from './related-records.ts';
import type { PgTable } from './table.ts';

export type CommitGroup = WriteGroup | IdempotentGroup;

/** Table as a commit needs it. */
export interface CommittedTable {
  readonly table: PgTable;
  /** Number of the table in the log. */
  readonly id: number;
}

export interface AttemptOptions {
  readonly session: PgSession;
  readonly tables: ReadonlyMap<TablePlan, CommittedTable>;
  /** Milliseconds since 1970, the clock of all writes. */
  readonly now: number;
  /** Milliseconds for which outcomes are kept. */
  readonly retention: number;
  /** True to read every record and every unique value before, after a write without that has failed. */
  readonly careful: boolean;
  /** Replaces conditions of a bulk write that the server cannot check. */
  plainFilter(filter: Filter | undefined, table: TablePlan): Promise<Filter | undefined>;
  /** Newest position, for a bulk write that changes nothing. */
  readonly lastSeq: number;
  /** Maximum of records that deletions of a group delete or change besides; undefined where no table has references. */
  readonly largestCascade: number | undefined;
}

/** Result of an attempt before it is committed: seqs of its own changes are negative. */
export interface Draft {
  readonly results: readonly GroupResult[];
  readonly burst: Burst;
}

/**
 * One attempt to commit groups: reads and locks the records that they write, applies them in memory, and collects the
 * statements that write the result. Everything until the burst is in an open transaction, except where nothing has to be read.
 */
export class Attempt implements Transaction {
  readonly now: number;
  readonly changes: Change[] = [];
  readonly #options: AttemptOptions;
  readonly #rows: CommitRows;
  readonly #contexts = new Map<
    TablePlan,
    Omit<WriteContext, 'related'> & { readonly table: OverlayTable; readonly audit: PgAudit | undefined }
  >();
  readonly #references: PgReferences | undefined;
  #kept: KeptOutcomes[] = [];
  #last = 0;

  constructor(options: AttemptOptions) {
    const { largestCascade: limit, now } = options;
    this.#options = options;
    this.now = now;
    this.#rows = new CommitRows({ ...options, overlayOf: (plan) => this.#contextOf(plan).table });
    this.#references = limit === undefined ? undefined : this.#openReferences(limit);
  }

  #openReferences(limit: number): PgReferences {
    return new PgReferences({
      limit,
      overlayOf: (plan) => this.#contextOf(plan).table,
      // A write that follows from another one has no rules that look at other records.
      apply: (write) => void applyWrite({ ...this.#contextOf(write.table), related: () => false }, write),
      share: async (plan, ids) => {
        await this.#rows.begin();
        await this.#rows.load(plan, ids, 'share');
      },
      find: (plan, statement) => this.#rows.find(plan, statement(this.#rows.tableOf(plan).table)),
      flush: () => this.#flush(),
    });
  }

  /** True when a transaction is open. */
  get isOpen(): boolean {
    return this.#rows.isOpen;
  }

  /** Returns a negative number that counts from the position before the commit. */
  nextSeq(): number {
    return --this.#last;
  }

  /** Reads and applies the groups. A bulk write must be in the only group. */
  async draft(groups: readonly CommitGroup[]): Promise<Draft> {
    await this.#rows.read(groups);
    let results = await this.#apply(groups);
    if (this.#options.careful && (await this.#rows.readHolders(this.#overlays()))) {
      this.#reset();
      results = await this.#apply(groups);
    }
    return { results, burst: this.#burst() };
  }

  async #apply(groups: readonly CommitGroup[]): Promise<GroupResult[]> {
    const results: GroupResult[] = [];
    for (const group of groups)
      results.push('once' in group ? await this.#applyOnce(group) : await this.#applyGroup(group));
    return results;
  }

  async #applyOnce({ once, writes }: IdempotentGroup): Promise<GroupResult> {
    const earlier = this.#kept.find((kept) => kept.once.key === once.key);
    const stored = this.#rows.stored.get(once.key) ?? (earlier && draftOf(earlier));
    try {
      if (stored !== undefined) return replay(once, stored);
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
    const outcomes = await this.#applyGroup(writes);
    if (!(outcomes instanceof AppError))
      this.#kept.push({ once, outcomes, expires: this.now + this.#options.retention });
    return outcomes;
  }

  async #applyGroup(group: WriteGroup): Promise<GroupResult> {
    const marks = new Map(
      [...this.#contexts.values()].map(({ table, audit }) => [table, { mark: table.mark, entries: audit?.mark ?? 0 }]),
    );
    const references = this.#references;
    references?.group.begin(true);
    const { length } = this.changes;
    const last = this.#last;
    let place: Place | undefined;
    try {
      const outcomes: WriteOutcome[] = [];
      for (const write of group) {
        place = write.place;
        outcomes.push(await this.#applyWrite(write));
        if (references?.group.hasRemoved) await references.run(references.group.follow());
      }
      // These errors have the places of their writes.
      place = undefined;
      await references?.run(references.group.settle());
      markTransaction(this.changes, length, outcomes);
      return outcomes;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.changes.length = length;
      this.#last = last;
      for (const { table, audit } of this.#contexts.values()) {
        const { mark, entries } = marks.get(table) ?? { mark: 0, entries: 0 };
        table.undoTo(mark);
        audit?.undoTo(entries);
      }
      return placeError(error, place);
    }
  }

  #applyWrite(write: Write): Awaitable<WriteOutcome> {
    if (isBulk(write)) return this.#applyBulk(write);
    return write.type === 'check-table' ? this.#checkTable(write) : this.#applyOne(write.table, write);
  }

  /** Reads the log, not the state in memory: a change whose outcome was not known may be in it. */
  async #checkTable({ table, since }: Extract<Write, { type: 'check-table' }>): Promise<WriteOutcome> {
    if (this.changes.some((change) => change.table === table)) throw tableChanged(table);
    await this.#rows.begin();
    const newest = '(SELECT max(seq) FROM log WHERE tbl = t.id)';
    const { rows } = await this.#options.session.send(
      `SELECT greatest(floor, ${newest}) FROM tables AS t WHERE id = $1`,
      [this.#rows.tableOf(table).id],
    );
    const seq = Number(rows[0]?.[0]);
    if (seq > since) throw tableChanged(table);
    return { id: null, seq, created: false, changed: false, json: '' };
  }

  /** Applies a write of one record. Its rules may look at related records, as they are in the transaction. */
  #applyOne(plan: TablePlan, write: OneWrite): Awaitable<WriteOutcome> {
    const context = this.#contextOf(plan);
    return settleRelated(this.#reader, plan, (related) => applyWrite({ ...context, related }, write));
  }

  readonly #reader: Pick<RelatedReader, 'isRelated'> = {
    isRelated: async (table, condition, record) => {
      const { session, plainFilter } = this.#options;
      await this.#rows.begin();
      await this.#flush();
      const records = new PgRelatedRecords({ run: (statement) => session.run(statement), plainFilter });
      return records.isRelated(table, condition, record);
    },
  };

  /** Selects the records in the transaction, so that earlier writes of the same group count, and writes them. */
  async #applyBulk(write: BulkWrite): Promise<WriteOutcome> {
    const { session, plainFilter } = this.#options;
    await this.#flush();
    const filter = await plainFilter(write.filter, write.table);
    const { rows } = await session.run(compileKeys(filter, write.table, write.limit + 1));
    if (rows.length > write.limit) {
      const count = await session.run(compileCount(filter, write.table));
      throw tooManyRecords(Number(count.rows[0]?.[0]), write.limit);
    }
    checkExpected(rows.length, write);
    const ids = rows.map(([key]) => toKey(write.table, String(key)) as RecordKey);
    await this.#rows.load(write.table, ids);
    const outcomes: WriteOutcome[] = [];
    for (const id of ids) outcomes.push(await this.#applySelected(writeOf(write, id), write.named === true));
    return sumUp(outcomes, this.#options.lastSeq);
  }

  /** Applies the write of a record that a filter has selected; a refusal names its key when `named`. */
  async #applySelected(write: SelectedWrite, named: boolean): Promise<WriteOutcome> {
    try {
      return await this.#applyOne(write.table, write);
    } catch (error) {
      throw error instanceof AppError && named ? placeError(error, placeOfKey(write.id)) : error;
    }
  }
  #flush(): Promise<void> {
    return this.#rows.flush(this.#overlays());
  }

  *#overlays(): Generator<readonly [TablePlan, OverlayTable]> {
    for (const [plan, { table }] of this.#contexts) yield [plan, table];
  }

  #contextOf(plan: TablePlan) {
    let context = this.#contexts.get(plan);
    if (context === undefined) {
      this.#rows.tableOf(plan);
      const audit = plan.audited ? new PgAudit(plan) : undefined;
      const references = this.#references?.group.watch(plan);
      context = { table: new OverlayTable(plan), expiry: expiryOf(plan), audit, references, transaction: this };
      this.#contexts.set(plan, context);
    }
    return context;
  }

  /** Forgets what was applied; the records that were read stay. */
  #reset(): void {
    for (const { table } of this.#contexts.values()) table.undoTo(0);
    this.#rows.loadHolders();
    for (const { audit } of this.#contexts.values()) audit?.undoTo(0);
    this.changes.length = 0;
    this.#kept = [];
    this.#last = 0;
  }

  #burst(): Burst {
    const burst = new Burst(-this.#last);
    for (const [plan, { table, audit }] of this.#contexts) {
      const { table: statements } = this.#rows.tableOf(plan);
      burst.add(...burst.records(statements, table.net(), this.#options.careful));
      if (audit !== undefined) burst.add(...audit.statements());
    }
    burst.log(this.changes, (plan) => this.#rows.tableOf(plan).id);
    burst.keep(this.#kept, this.now);
    return burst;
  }
}

/** Returns outcomes of the same commit as if they were stored; their seqs are not final yet. */
function draftOf({ once, outcomes }: KeptOutcomes): StoredOutcomes {
  return { hash: once.hash, base: DRAFT, outcomes: JSON.stringify(outcomes) };
}
