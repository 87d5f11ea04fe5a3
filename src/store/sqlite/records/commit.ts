import type { Database, Statement } from 'better-sqlite3';
import { AppError } from '../../../errors.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { type Place, placeError, placeOfKey } from '../../placed-error.ts';
import type { BulkWrite, Change, CommitResult, IdempotentGroup, Write, WriteGroup, WriteOutcome } from '../../store.ts';
import { constraintError } from '../database/errors.ts';
import { StatementCache } from '../database/statement-cache.ts';
import type { LogEntries } from '../log/entries.ts';
import type { IssuedPositions } from '../log/issued-positions.ts';
import type { LogState, Removed } from '../log/log.ts';
import { applyWrite, type Transaction, type WriteContext } from './apply-write.ts';
import { type ChosenWrite, chooseKeys, isBulk, sumUp, writeOf } from './bulk.ts';
import type { IdempotencyTable } from './idempotency.ts';

/** What writes need of a table. */
export interface WrittenTable extends Omit<WriteContext, 'transaction'> {
  readonly log: LogState;
  readonly entries: LogEntries;
}

export interface CommitParts {
  readonly tables: ReadonlyMap<TablePlan, WrittenTable>;
  readonly positions: IssuedPositions;
  readonly once: IdempotencyTable;
}

/** Writes groups in one transaction: what one of them breaks is undone for that group alone. */
export class Commits {
  readonly #db: Database;
  readonly #parts: CommitParts;
  readonly #contexts: ReadonlyMap<TablePlan, WriteContext>;
  readonly #transaction: CommitTransaction;
  readonly #bulk: StatementCache;
  readonly #statements: Record<'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'undo', Statement>;

  /** `head`: the newest seq that was given out. */
  constructor(db: Database, parts: CommitParts, head: number) {
    const transaction = new CommitTransaction(head);
    this.#db = db;
    this.#parts = parts;
    this.#transaction = transaction;
    this.#contexts = new Map(
      [...parts.tables].map(([plan, { table, expiry, audit }]) => [plan, { table, expiry, audit, transaction }]),
    );
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

  /** The newest seq that was given out to something that is committed. */
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

  /** The log entries come last, many with one statement. */
  #append(changes: readonly Change[]): void {
    let from = 0;
    for (let to = 1; to <= changes.length; to++) {
      const { table } = changes[from] as Change;
      if (changes[to]?.table === table) continue;
      (this.#parts.tables.get(table) as WrittenTable).entries.append(changes, from, to);
      from = to;
    }
  }

  #removeSurplus(): { readonly log: LogState; readonly removed: Removed }[] {
    const trimmed = [];
    for (const { log } of this.#parts.tables.values()) {
      const removed = log.removeSurplus();
      if (removed !== undefined) trimmed.push({ log, removed });
    }
    return trimmed;
  }

  #applyOnce({ once, writes }: IdempotentGroup): readonly WriteOutcome[] | AppError {
    const { once: kept } = this.#parts;
    const { now } = this.#transaction;
    try {
      const outcomes = kept.find(once, now);
      if (outcomes !== undefined) return outcomes;
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
    const outcomes = this.#applyGroup(writes);
    if (!(outcomes instanceof AppError)) kept.save(once, outcomes, now);
    return outcomes;
  }

  /** A group of one record needs no savepoint: a statement that breaks a constraint undoes itself. */
  #applyGroup(group: WriteGroup): readonly WriteOutcome[] | AppError {
    const transaction = this.#transaction;
    const { last, changes } = transaction;
    const start = changes.length;
    const single = group.length === 1 && !isBulk(group[0] as Write);
    let place: Place | undefined;
    if (!single) this.#statements.savepoint.run();
    try {
      const outcomes: WriteOutcome[] = [];
      for (const write of group) {
        place = write.place;
        outcomes.push(this.#applyWrite(write));
      }
      if (!single) this.#statements.release.run();
      return outcomes;
    } catch (error) {
      const refused = refusalOf(error);
      if (refused === undefined) throw error;
      changes.length = start;
      // A seq that was not committed must not be told to anybody as a position: a restart would not know it.
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
    return isBulk(write) ? this.#applyBulk(write, context) : applyWrite(context, write);
  }

  /** The records are chosen here, in the transaction: what was written before it in the same commit counts. */
  #applyBulk(write: BulkWrite, context: WriteContext): WriteOutcome {
    const keys = chooseKeys(this.#bulk, context.table, write);
    return sumUp(
      keys.map((id) => applyChosen(context, writeOf(write, id), write.named === true)),
      this.#transaction.last,
    );
  }
}

/** Applies the write of a record that a filter has chosen: a refusal names its key, where it may be known. */
function applyChosen(context: WriteContext, write: ChosenWrite, named: boolean): WriteOutcome {
  try {
    return applyWrite(context, write);
  } catch (error) {
    const refused = refusalOf(error);
    throw refused === undefined || !named ? error : placeError(refused, placeOfKey(write.id));
  }
}

/** What the client did wrong, or undefined when the error is something else. */
function refusalOf(error: unknown): AppError | undefined {
  return error instanceof AppError ? error : constraintError(error);
}

/** One object for one transaction after the other, so that each write finds what it needs without making it. */
class CommitTransaction implements Transaction {
  now = 0;
  last: number;
  changes: Change[] = [];

  constructor(last: number) {
    this.last = last;
  }

  /** One clock for all of its writes: a batch has seqs next to each other. */
  begin(now: number): readonly Change[] {
    this.now = now;
    this.changes = [];
    return this.changes;
  }

  /** Ahead of the clock by one microsecond a change at most; the clock going back does not take the seq with it. */
  nextSeq(): number {
    this.last = Math.max(this.last + 1, this.now * 1000);
    return this.last;
  }
}
