import type { Database, Statement } from 'better-sqlite3';
import { AppError } from '../../../errors.ts';
import type { RelatedTest } from '../../../query/index.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { type Place, placeError, placeOfKey } from '../../placed-error.ts';
import { applyWrite, markTransaction, type Transaction, type WriteContext } from '../../rows/apply-write.ts';
import { type SelectedWrite, sumUp, writeOf } from '../../rows/bulk.ts';
import { type BulkWrite, isBulk, tableChanged, type Write } from '../../rows/write.ts';
import type { Change, CommitResult, IdempotentGroup, WriteGroup, WriteOutcome } from '../../store.ts';
import { constraintError } from '../database/errors.ts';
import { StatementCache } from '../database/statement-cache.ts';
import type { IssuedPositions } from '../log/issued-positions.ts';
import type { LogEntries, LogState, RemovedEntries } from '../log/log.ts';
import type { IdempotencyTable } from './idempotency.ts';
import { selectKeys } from './lists.ts';
import { SqliteReferences } from './references.ts';
import type { RelatedRecords } from './related-records.ts';
import type { SqliteTable } from './table.ts';

/** Parts of an open table that a commit writes. */
export interface WrittenTable extends Omit<WriteContext, 'table' | 'transaction' | 'related' | 'references'> {
  readonly table: SqliteTable;
  readonly log: LogState;
  readonly entries: LogEntries;
}

export interface CommitParts {
  readonly tables: ReadonlyMap<TablePlan, WrittenTable>;
  readonly positions: IssuedPositions;
  readonly once: IdempotencyTable;
  readonly related: RelatedRecords;
  /** Maximum of records that deletions of a group delete or change besides. */
  readonly largestCascade: number;
}

/** Writes groups in one transaction; a group that fails is undone alone. */
export class Commits {
  readonly #db: Database;
  readonly #parts: CommitParts;
  readonly #contexts: ReadonlyMap<TablePlan, WriteContext>;
  /** Undefined where no table has references. */
  readonly #references: SqliteReferences | undefined;
  readonly #transaction: CommitTransaction;
  readonly #bulk: StatementCache;
  readonly #statements: Record<'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'undo', Statement>;

  /** `lastSeq`: the newest seq that was issued. */
  constructor(db: Database, parts: CommitParts, lastSeq: number) {
    const transaction = new CommitTransaction(lastSeq);
    this.#db = db;
    this.#parts = parts;
    this.#transaction = transaction;
    const contexts = new Map<TablePlan, WriteContext>();
    const isReferring = [...parts.tables.keys()].some(({ references }) => references.length > 0);
    const options = { contexts, limit: parts.largestCascade };
    this.#references = isReferring ? new SqliteReferences(db, parts.tables, options) : undefined;
    for (const [plan, { table, expiry, audit }] of parts.tables) {
      const related: RelatedTest = (condition, record) => parts.related.isRelated(plan, condition, record);
      const references = this.#references?.group.watch(plan);
      contexts.set(plan, { table, expiry, audit, related, references, transaction });
    }
    this.#contexts = contexts;
    this.#bulk = new StatementCache(db);
    this.#statements = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      rollback: db.prepare('ROLLBACK'),
      savepoint: db.prepare('SAVEPOINT write_group'),
      release: db.prepare('RELEASE write_group'),
      undo: db.prepare('ROLLBACK TO write_group'),
    };
  }

  /** Newest seq of a committed change. */
  get last(): number {
    return this.#transaction.last;
  }

  /** Throws the driver's error when the transaction as a whole failed: then nothing was written. */
  write(groups: readonly (WriteGroup | IdempotentGroup)[]): CommitResult {
    const { positions } = this.#parts;
    const transaction = this.#transaction;
    const { last } = transaction;
    try {
      this.#statements.begin.run();
      const changes = transaction.begin(Date.now());
      const results = groups.map((group) => ('once' in group ? this.#applyOnce(group) : this.#applyGroup(group)));
      this.#append(changes);
      const trimmed = this.#removeSurplus();
      positions.committing(changes);
      this.#statements.commit.run();
      positions.committed(changes);
      for (const { log, removed } of trimmed) log.removed(removed);
      return { results, changes, after: last };
    } catch (error) {
      transaction.last = last;
      if (this.#db.inTransaction) this.#statements.rollback.run();
      throw error;
    }
  }

  /** Writes the log entries, many with one statement, at the end of the transaction. */
  #append(changes: readonly Change[]): void {
    let from = 0;
    for (let to = 1; to <= changes.length; to++) {
      const { table } = changes[from] as Change;
      if (changes[to]?.table === table) continue;
      (this.#parts.tables.get(table) as WrittenTable).entries.append(changes, from, to);
      from = to;
    }
  }

  #removeSurplus(): { readonly log: LogState; readonly removed: RemovedEntries }[] {
    const trimmed = [];
    for (const { log } of this.#parts.tables.values()) {
      const removed = log.removeSurplus();
      if (removed !== undefined) trimmed.push({ log, removed });
    }
    return trimmed;
  }

  #applyOnce({ once, writes }: IdempotentGroup): readonly WriteOutcome[] | AppError {
    const { once: stored } = this.#parts;
    const { now } = this.#transaction;
    try {
      const outcomes = stored.find(once, now);
      if (outcomes !== undefined) return outcomes;
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
    const outcomes = this.#applyGroup(writes);
    if (!(outcomes instanceof AppError)) stored.save(once, outcomes, now);
    return outcomes;
  }

  /** Applies one group. A group that writes one record needs no savepoint: a statement that breaks a constraint undoes itself. */
  #applyGroup(group: WriteGroup): readonly WriteOutcome[] | AppError {
    const transaction = this.#transaction;
    const { last, changes } = transaction;
    const start = changes.length;
    const references = this.#references;
    const single = group.length === 1 && isSingle(group[0] as Write);
    let place: Place | undefined;
    references?.group.begin(!single);
    if (!single) this.#statements.savepoint.run();
    try {
      const outcomes: WriteOutcome[] = [];
      for (const write of group) {
        place = write.place;
        outcomes.push(this.#applyWrite(write));
        references?.follow();
      }
      // These errors have the places of their writes.
      place = undefined;
      if (!single) {
        references?.settle();
        this.#statements.release.run();
        markTransaction(changes, start, outcomes);
      }
      return outcomes;
    } catch (error) {
      const refused = refusalOf(error);
      if (refused === undefined) throw error;
      changes.length = start;
      // A seq that was not committed must not be sent to clients as a position: a restart would not know it.
      transaction.last = last;
      if (!single) {
        this.#statements.undo.run();
        this.#statements.release.run();
      }
      return placeError(refused, place);
    }
  }

  #applyWrite(write: Write): WriteOutcome {
    const context = this.#contexts.get(write.table);
    if (context === undefined) throw new Error(`The store was not opened with the table ${write.table.name}.`);
    if (isBulk(write)) return this.#applyBulk(write, context);
    return write.type === 'check-table' ? this.#checkTable(write) : applyWrite(context, write);
  }

  /** The log of the table has its entries at the end of the commit only: those of groups before this one are not there yet. */
  #checkTable({ table, since }: Extract<Write, { type: 'check-table' }>): WriteOutcome {
    const { log } = this.#parts.tables.get(table) as WrittenTable;
    const newest = this.#transaction.changes.findLast((change) => change.table === table)?.seq ?? log.lastSeq;
    if (newest > since) throw tableChanged(table);
    return { id: null, seq: newest, created: false, changed: false, json: '' };
  }

  /** Selects the records in the transaction, so that earlier writes of the same commit count, and writes them. */
  #applyBulk(write: BulkWrite, context: WriteContext): WriteOutcome {
    const keys = selectKeys(this.#bulk, context.table, write);
    return sumUp(
      keys.map((id) => applySelected(context, writeOf(write, id), write.named === true)),
      this.#transaction.last,
    );
  }
}

/** True for a write that changes no other record. */
function isSingle(write: Write): boolean {
  if (isBulk(write)) return false;
  return write.type !== 'delete' || write.table.referrers.length === 0;
}

/** Applies the write of a record that a filter has selected; a refusal names its key when `named`. */
function applySelected(context: WriteContext, write: SelectedWrite, named: boolean): WriteOutcome {
  try {
    return applyWrite(context, write);
  } catch (error) {
    const refused = refusalOf(error);
    throw refused === undefined || !named ? error : placeError(refused, placeOfKey(write.id));
  }
}

/** Returns the error for the client; undefined when the error is internal. */
function refusalOf(error: unknown): AppError | undefined {
  return error instanceof AppError ? error : constraintError(error);
}

/** State of the open transaction. One object serves all transactions, so that writes allocate nothing for it. */
class CommitTransaction implements Transaction {
  now = 0;
  last: number;
  changes: Change[] = [];

  constructor(last: number) {
    this.last = last;
  }

  /** Begins a transaction at `now` (milliseconds since 1970), the clock of all its writes: a batch has consecutive seqs. */
  begin(now: number): readonly Change[] {
    this.now = now;
    this.changes = [];
    return this.changes;
  }

  /** Returns the next seq: the time in microseconds, or one more than the last where that is later, so that it never goes back. */
  nextSeq(): number {
    this.last = Math.max(this.last + 1, this.now * 1000);
    return this.last;
  }
}
