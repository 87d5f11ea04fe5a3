import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../../../errors.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { isBulk } from '../../rows/write.ts';
import type { Change, CommitResult } from '../../store.ts';
import { away, constraintOf, isAway, isBusy, storageError } from '../database/errors.ts';
import type { PgResult, PgSession } from '../database/session.ts';
import type { WriterSession } from '../database/writer-session.ts';
import type { PgPositions } from '../log/issued-positions.ts';
import type { LogTail } from '../log/tail.ts';
import type { PgStatement } from '../sql/params.ts';
import type { Burst } from './burst.ts';
import { Attempt, type AttemptOptions, type CommitGroup, type CommittedTable } from './commit.ts';
import { BEGIN, settleAll } from './commit-rows.ts';
import { finalResults, type GroupResult, type KeptOutcomes } from './idempotency.ts';

/** Attempts to commit groups together, after which each is committed alone. */
const MAX_ATTEMPTS = 4;
const LOOKUP_INTERVAL_MS = 100;

export interface PgCommitsOptions {
  readonly writer: WriterSession;
  readonly tables: ReadonlyMap<TablePlan, CommittedTable>;
  readonly positions: PgPositions;
  /** Number of this server's schema. */
  readonly version: number;
  /** Milliseconds for which outcomes are kept. */
  readonly retention: number;
  readonly tail: LogTail;
  /** Clock for seqs, in milliseconds since 1970; undefined for that of the database. */
  readonly clock: (() => number) | undefined;
  /** Milliseconds for which the outcome of a commit is looked for when its answer was lost. */
  readonly maxLookupMs: number;
  readonly plainFilter: AttemptOptions['plainFilter'];
  /** Maximum of records that deletions of a group delete or change besides. */
  readonly largestCascade: number;
  /** Called with all that one call of `write` has committed, before it is answered. */
  onCommitted(changes: readonly Change[], kept: readonly KeptOutcomes[]): void;
}

/** Groups that a transaction has written, with their final seqs. */
interface Committed {
  readonly results: readonly GroupResult[];
  readonly changes: readonly Change[];
  readonly kept: readonly KeptOutcomes[];
  /** Position before the changes, where other servers may have written between it and the last one that is known here. */
  readonly after?: number | undefined;
}

/** Positions that a commit has taken: those after `base`; `prev` is the newest one before. */
interface Taken {
  readonly prev: number;
  readonly base: number;
}

/** In place of the newest position that was taken, where that is not known. */
const UNKNOWN = -1;

/** Stores that no position was issued between the newest one and those of this commit: other servers may have issued some since the start. */
const SAVE_GAP = `WITH own AS (SELECT current_setting('tablecast.base')::bigint AS base)
  INSERT INTO gaps SELECT greatest($1, (SELECT max(seq) FROM log WHERE seq <= base)), base + 1 FROM own ON CONFLICT DO NOTHING`;

/** Writes groups, one transaction after the other. A group that is refused leaves its neighbours alone. */
export class PgCommits {
  readonly #options: PgCommitsOptions;
  readonly #largestCascade: number | undefined;
  /** Newest position that this server has taken. */
  #taken = UNKNOWN;
  /** Newest seq of a change of this server. */
  #own = UNKNOWN;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: PgCommitsOptions) {
    const isReferring = [...options.tables.keys()].some(({ references }) => references.length > 0);
    this.#options = options;
    this.#largestCascade = isReferring ? options.largestCascade : undefined;
  }

  /** Commits happen in the order in which they are asked for. */
  write(groups: readonly CommitGroup[]): Promise<CommitResult> {
    const turn = this.#queue.then(() => this.#write(groups));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** Resolves when no commit is running. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  async #write(groups: readonly CommitGroup[]): Promise<CommitResult> {
    const parts = splitAtBulk(groups);
    const results: GroupResult[] = [];
    const made: Committed[] = [];
    try {
      for (const [index, part] of parts.entries()) {
        try {
          const committed = await this.#together(part);
          results.push(...committed.results);
          made.push(committed);
        } catch (error) {
          const failure = storageError(error);
          // What was committed before stays committed: only the rest is refused.
          if (index === 0 || !(failure instanceof AppError)) throw failure;
          for (const left of parts.slice(index)) results.push(...left.map(() => failure));
          break;
        }
      }
    } catch (error) {
      await this.#publish(made);
      throw error;
    }
    return { results, ...(await this.#publish(made)) };
  }

  /** Makes what was committed known to this server, with everything that others have written before it. */
  async #publish(made: readonly Committed[]): Promise<Pick<CommitResult, 'changes' | 'after'>> {
    const { tail, onCommitted } = this.#options;
    const changes = made.flatMap((committed) => committed.changes);
    const between = made.flatMap(({ after }) => after ?? []);
    const last = changes.at(-1)?.seq;
    if (last !== undefined && between.length > 0) await tail.learn(last);
    const after = Math.max(tail.lastSeq, ...between);
    onCommitted(
      changes,
      made.flatMap(({ kept }) => kept),
    );
    tail.release(last);
    return { changes, after };
  }

  /** Commits the groups in one transaction; where others prevent that again and again, each alone. */
  async #together(groups: readonly CommitGroup[]): Promise<Committed> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      try {
        return await this.#once(groups, attempt > 0);
      } catch (error) {
        if (constraintOf(error) === undefined && !isBusy(error)) throw error;
        if (isBusy(error) && groups.length > 1) break;
        if (attempt === MAX_ATTEMPTS - 1 && groups.length === 1) throw error;
      }
    }
    return this.#alone(groups);
  }

  async #alone(groups: readonly CommitGroup[]): Promise<Committed> {
    const made: Committed[] = [];
    for (const group of groups) {
      try {
        made.push(await this.#together([group]));
      } catch (error) {
        const failure = storageError(error);
        if (!(failure instanceof AppError)) throw failure;
        made.push({ results: [failure], changes: [], kept: [] });
      }
    }
    const between = made.flatMap(({ after }) => after ?? []);
    return {
      results: made.flatMap(({ results }) => results),
      changes: made.flatMap(({ changes }) => changes),
      kept: made.flatMap(({ kept }) => kept),
      after: between.length === 0 ? undefined : Math.max(...between),
    };
  }

  async #once(groups: readonly CommitGroup[], careful: boolean): Promise<Committed> {
    const { writer, tables, retention, clock, positions, plainFilter, tail } = this.#options;
    const session = await writer.open();
    const now = clock?.() ?? Date.now();
    const attempt = new Attempt({
      session,
      tables,
      now,
      retention,
      careful,
      plainFilter,
      lastSeq: Math.max(tail.lastSeq, this.#own),
      largestCascade: this.#largestCascade,
    });
    try {
      const { results, burst } = await attempt.draft(groups);
      const isRefused = hasBulk(groups) && results[0] instanceof AppError;
      if (burst.isEmpty || isRefused) {
        if (attempt.isOpen) await session.send('ROLLBACK');
        return { results: finalResults(results, 0), changes: [], kept: [] };
      }
      const { prev, base } = await this.#send(session, burst, attempt.isOpen);
      const after = prev <= Math.max(tail.lastSeq, this.#taken) ? undefined : prev;
      this.#taken = base + burst.count;
      const { changes, kept } = burst;
      for (const change of changes) settle(change, base);
      const [first] = changes;
      if (first !== undefined) positions.committed(prev, first.seq);
      this.#own = changes.at(-1)?.seq ?? this.#own;
      return { results: finalResults(results, base), changes, kept, after };
    } catch (error) {
      if (session.failure === undefined) await session.send('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  /** Sends the statements and the COMMIT at once. Returns the position before the first seq. */
  async #send(session: PgSession, burst: Burst, isOpen: boolean): Promise<Taken> {
    const { positions, clock, tail } = this.#options;
    const batch = randomBytes(8).readBigInt64BE().toString();
    const at = clock === undefined ? null : clock() * 1000;
    tail.hold(batch);
    const statements: PgStatement[] = isOpen ? [] : [BEGIN];
    const place = statements.push({ sql: 'SELECT prev, base FROM take($1, $2)', params: [burst.count, at] }) - 1;
    statements.push(...burst.statements);
    if (burst.changes.length > 0) {
      statements.push(burst.entries(batch, this.#options.version));
      const { startSeq } = positions;
      if (startSeq !== undefined) statements.push({ sql: SAVE_GAP, params: [startSeq] });
    }
    const written = session.burst(statements);
    // Executed also where a statement has failed, as a ROLLBACK: the lock of the order does not wait for this server.
    const committed = session.send('COMMIT');
    try {
      await settleAll([written, committed]);
    } catch (error) {
      if (!isAway(error) && session.failure === undefined) throw error;
      const base = await this.#lookUp(session, burst, batch, error);
      return { prev: base, base };
    }
    const [prev, base] = ((await written)[place] as PgResult).rows[0] as [number, number];
    return { prev, base };
  }

  /**
   * Finds the outcome of a commit whose answer was lost. Returns the position before its first seq; throws STORAGE_BUSY when
   * it was not made, so that it is tried again, and OUTCOME_UNKNOWN when that cannot be found out in time.
   */
  async #lookUp(lost: PgSession, burst: Burst, batch: string, cause: unknown): Promise<number> {
    const deadline = performance.now() + this.#options.maxLookupMs;
    for (;;) {
      try {
        const base = await this.#find(lost, burst, batch);
        if (base !== undefined) return base;
        throw away(cause);
      } catch (error) {
        if (error instanceof AppError || !isAway(error)) throw error;
        if (performance.now() > deadline) {
          this.#taken = UNKNOWN;
          throw outcomeUnknown(error);
        }
      }
      await pause(LOOKUP_INTERVAL_MS);
    }
  }

  async #find(lost: PgSession, burst: Burst, batch: string): Promise<number | undefined> {
    const session = await this.#options.writer.open();
    // Until the process of the lost connection has ended, its COMMIT may still happen.
    await this.#options.writer.end(lost);
    if (burst.changes.length > 0) {
      const known = Math.max(this.#options.tail.lastSeq, this.#own);
      const { rows } = await session.send('SELECT min(seq) - 1 FROM log WHERE batch = $1 AND seq > $2', [batch, known]);
      return (rows[0]?.[0] as number | null) ?? undefined;
    }
    const keys = burst.kept.map(({ once }) => once.key);
    const { rows } = await session.send('SELECT base FROM once WHERE key = ANY($1::text[]) LIMIT 1', [
      `{${keys.map((key) => JSON.stringify(key)).join(',')}}`,
    ]);
    return rows[0]?.[0] as number | undefined;
  }
}

/** Gives a committed change its final numbers. */
function settle(change: { seq: number; transaction?: number | undefined }, base: number): void {
  change.seq = base - change.seq;
  if (change.transaction !== undefined) change.transaction = base - change.transaction;
}

function hasBulk(groups: readonly CommitGroup[]): boolean {
  return groups.some((group) => ('once' in group ? group.writes : group).some(isBulk));
}

/** Returns the groups in parts of which each is one transaction: a bulk write looks at the database, and is alone in its own. */
function splitAtBulk(groups: readonly CommitGroup[]): readonly (readonly CommitGroup[])[] {
  if (!hasBulk(groups)) return groups.length === 0 ? [] : [groups];
  const parts: CommitGroup[][] = [];
  let open: CommitGroup[] | undefined;
  for (const group of groups) {
    if (hasBulk([group])) {
      parts.push([group]);
      open = undefined;
    } else if (open === undefined) {
      open = [group];
      parts.push(open);
    } else open.push(group);
  }
  return parts;
}

function outcomeUnknown(cause: unknown): AppError {
  const message =
    'The connection to the database was lost while the change was committed, and it is not known whether it was made. Read the record before you send the change again.';
  return new AppError('OUTCOME_UNKNOWN', message, { cause });
}
