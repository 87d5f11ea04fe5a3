import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../../../errors.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import { type Change, type CommitResult, isBulk } from '../../store.ts';
import { away, constraintOf, isAway, isBusy, storageError } from '../database/errors.ts';
import type { PgResult, PgSession } from '../database/session.ts';
import type { WriterSession } from '../database/writer-session.ts';
import type { PgPositions } from '../log/issued-positions.ts';
import type { Burst } from './burst.ts';
import {
  Attempt,
  type AttemptOptions,
  type CommitGroup,
  type CommittedTable,
  finalResults,
  type GroupResult,
  settleAll,
} from './commit.ts';
import type { KeptOutcomes } from './idempotency.ts';

/** Attempts to commit groups together, after which each is committed alone. */
const MAX_ATTEMPTS = 4;
const LOOKUP_INTERVAL_MS = 100;

export interface PgCommitsOptions {
  readonly writer: WriterSession;
  readonly tables: ReadonlyMap<TablePlan, CommittedTable>;
  readonly positions: PgPositions;
  /** Milliseconds for which outcomes are kept. */
  readonly retention: number;
  readonly lastSeq: number;
  /** Clock for seqs, in milliseconds since 1970; undefined for that of the database. */
  readonly clock: (() => number) | undefined;
  /** Milliseconds for which the outcome of a commit is looked for when its answer was lost. */
  readonly maxLookupMs: number;
  readonly plainFilter: AttemptOptions['plainFilter'];
  /** Called before that with the newest known position, where there may be others after it. Never rejects. */
  onMissed(position: number): Promise<void>;
  /** Called for every transaction that was committed, before the next one begins. */
  onCommitted(changes: readonly Change[], kept: readonly KeptOutcomes[]): void;
}

/** Groups that a transaction has written, with their final seqs. */
interface Committed {
  readonly results: readonly GroupResult[];
  readonly changes: readonly Change[];
  /** Position before the changes where others may be between it and the last one of this server: then they are in the log. */
  readonly after?: number | undefined;
}

/** Positions that a commit has taken: those after `base`; `prev` is the newest one before. */
interface Taken {
  readonly prev: number;
  readonly base: number;
}

/** In place of the newest position that was taken, where that is not known. */
const UNKNOWN = -1;

const NOTHING: readonly Change[] = [];

/** Writes groups, one transaction after the other. A group that is refused leaves its neighbours alone. */
export class PgCommits {
  readonly #options: PgCommitsOptions;
  #last: number;
  /** Newest position that this server has taken. */
  #taken: number | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: PgCommitsOptions) {
    this.#options = options;
    this.#last = options.lastSeq;
  }

  /** Newest seq of a committed change. */
  get last(): number {
    return this.#last;
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
    let after = this.#last;
    const parts = splitAtBulk(groups);
    const results: GroupResult[] = [];
    const changes: Change[] = [];
    for (const [index, part] of parts.entries()) {
      try {
        const committed = await this.#together(part);
        results.push(...committed.results);
        changes.push(...committed.changes);
        after = Math.max(after, committed.after ?? 0);
      } catch (error) {
        const failure = storageError(error);
        // What was committed before stays committed: only the rest is refused.
        if (index === 0 || !(failure instanceof AppError)) throw failure;
        for (const left of parts.slice(index)) results.push(...left.map(() => failure));
        break;
      }
    }
    return { results, changes, after };
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
    const results: GroupResult[] = [];
    const changes: Change[] = [];
    for (const group of groups) {
      try {
        const committed = await this.#together([group]);
        results.push(...committed.results);
        changes.push(...committed.changes);
      } catch (error) {
        const failure = storageError(error);
        if (!(failure instanceof AppError)) throw failure;
        results.push(failure);
      }
    }
    return { results, changes };
  }

  async #once(groups: readonly CommitGroup[], careful: boolean): Promise<Committed> {
    const { writer, tables, retention, clock, positions, plainFilter, onCommitted } = this.#options;
    const session = await writer.open();
    const now = clock?.() ?? Date.now();
    const options: AttemptOptions = { session, tables, now, retention, careful, plainFilter, lastSeq: this.#last };
    const attempt = new Attempt(options);
    try {
      const { results, burst } = await attempt.draft(groups);
      const isRefused = hasBulk(groups) && results[0] instanceof AppError;
      if (burst.isEmpty || isRefused) {
        if (attempt.isOpen) await session.send('ROLLBACK');
        return { results: finalResults(results, 0), changes: NOTHING };
      }
      const { prev, base } = await this.#send(session, burst, attempt.isOpen);
      const after = this.#taken === undefined || this.#taken === prev ? undefined : prev;
      this.#taken = base + burst.count;
      if (after !== undefined) await this.#options.onMissed(this.#last);
      const changes = burst.changes;
      for (const change of changes) settle(change, base);
      const [first] = changes;
      if (first !== undefined) positions.committed(first.seq);
      this.#last = changes.at(-1)?.seq ?? this.#last;
      onCommitted(changes, burst.kept);
      return { results: finalResults(results, base), changes, after };
    } catch (error) {
      if (session.failure === undefined) await session.send('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  /** Sends the statements and the COMMIT at once. Returns the position before the first seq. */
  async #send(session: PgSession, burst: Burst, isOpen: boolean): Promise<Taken> {
    const { positions, clock } = this.#options;
    const batch = randomBytes(8).readBigInt64BE().toString();
    const at = clock === undefined ? null : clock() * 1000;
    const sent: Promise<PgResult>[] = [];
    if (!isOpen) sent.push(session.send('BEGIN'));
    const taken = session.send('SELECT prev, base FROM take($1, $2)', [burst.count, at]);
    sent.push(taken);
    for (const statement of burst.statements) sent.push(session.run(statement));
    if (burst.changes.length > 0) {
      sent.push(session.run(burst.entries(batch)));
      const { startSeq } = positions;
      if (startSeq !== undefined) {
        const gap =
          "INSERT INTO gaps VALUES ($1, current_setting('tablecast.base')::bigint + 1) ON CONFLICT DO NOTHING";
        sent.push(session.send(gap, [startSeq]));
      }
    }
    const committed = session.send('COMMIT');
    sent.push(committed);
    try {
      await settleAll(sent);
    } catch (error) {
      if (!isAway(error) && session.failure === undefined) throw error;
      const base = await this.#lookUp(session, burst, batch, error);
      return { prev: base, base };
    }
    const [prev, base] = (await taken).rows[0] as [number, number];
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
      const { rows } = await session.send('SELECT min(seq) - 1 FROM log WHERE batch = $1 AND seq > $2', [
        batch,
        this.#last,
      ]);
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
