import type { Growth } from '../../shared-store.ts';
import type { Readers } from '../database/readers.ts';
import type { TableLog } from './log.ts';
import { IS_KNOWN, LOSS_MARK } from './rewind.ts';

/** Entries that are looked at at once. */
const PAGE_ENTRIES = 2000;
/** Milliseconds between two looks at a log that has just grown. */
const BUSY_POLL_MS = 250;

const NEWS = `SELECT state.mark, state.known, tbl, batch, first, last, entries
  FROM (SELECT ${LOSS_MARK} AS mark, ${IS_KNOWN} AS known) AS state LEFT JOIN
    (SELECT tbl, batch, min(seq) AS first, max(seq) AS last, count(*) AS entries FROM
      (SELECT tbl, batch, seq FROM log WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3) AS news
    GROUP BY tbl, batch) AS grouped ON true
  ORDER BY first`;

export interface TailOptions {
  readonly readers: Readers;
  /** Logs by their number. */
  readonly logs: ReadonlyMap<number, TableLog>;
  readonly lastSeq: number;
  /** Position at which the end of the log was lost for the last time; 0 when it never was. */
  readonly mark: number;
  /** Milliseconds between two looks at a log that does not grow. */
  readonly poll: number;
  /** Milliseconds for which a position is waited for. */
  readonly catchUp: number;
  /** Called with each log that has entries of other servers. */
  onForeign(log: TableLog): void;
  /** Resolves when the commit that is under way is answered. */
  settled(): Promise<void>;
  /** Marks that the position which this server has read, and all after it, were lost. Resolves with a position after it. */
  markLoss(lastSeq: number, mark: number): Promise<number>;
  /** Called when the end of the log was lost, when no table is read from what was. */
  onRewound(position: number): void;
}

/** Entries of one table that one commit has made. */
interface News {
  readonly log: TableLog | undefined;
  readonly batch: string;
  readonly first: number;
  readonly last: number;
  readonly count: number;
}

interface Waiter {
  readonly position: number;
  resolve(isReached: boolean): void;
}

/**
 * End of the log as far as this server has read it. It moves with each commit of this server, and when others have
 * committed: when a bell rings, and by looking again and again, since a bell may be lost. Entries of a commit of this server
 * that is not answered yet are held back, with all after them: writers have their answer before subscribers the change.
 */
export class LogTail {
  readonly #options: TailOptions;
  readonly #listeners: ((bell: Growth) => void)[] = [];
  /** Numbers of the commits of this server that are not answered. */
  readonly #held = new Set<string>();
  #lastSeq: number;
  #mark: number;
  #waiters: Waiter[] = [];
  #running: Promise<number> | undefined;
  #next: Promise<number> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #readAt = performance.now();
  #grewAt = 0;
  #closed = false;

  constructor(options: TailOptions) {
    this.#options = options;
    this.#lastSeq = options.lastSeq;
    this.#mark = options.mark;
    this.#schedule();
  }

  /** seq up to which this server knows all entries. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Milliseconds since the log was last read up to its end. */
  get lag(): number {
    return performance.now() - this.#readAt;
  }

  onGrown(listener: (bell: Growth) => void): void {
    this.#listeners.push(listener);
  }

  /** Must be called before a commit of this server is sent. */
  hold(batch: string): void {
    this.#held.add(batch);
  }

  /**
   * Must be called when all commits of one turn are answered: the log has no entry up to `lastSeq` that was not passed to its
   * table. Without a `lastSeq` nothing was committed.
   */
  release(lastSeq: number | undefined): void {
    this.#held.clear();
    if (lastSeq === undefined || lastSeq <= this.#lastSeq) return;
    this.#grewAt = performance.now();
    this.#advance(lastSeq);
  }

  /** Learns what others have written before a position that this server has committed. Never rejects. */
  async learn(upTo: number): Promise<void> {
    try {
      for (let from = this.#lastSeq, isPart = true; isPart; ) {
        const news = await this.#readNews(from, upTo);
        for (const one of news) if (!this.#held.has(one.batch)) this.#add(one);
        isPart = countOf(news) === PAGE_ENTRIES;
        from = Math.max(from, ...news.map(({ last }) => last));
      }
    } catch {
      // The log is read the next time: every table may have entries up to there.
      for (const log of this.#options.logs.values()) log.mayHaveUpTo(upTo);
    }
  }

  /** Looks for entries of others. Resolves with the newest position, once everything that was committed before is known or held. */
  look(): Promise<number> {
    if (this.#running === undefined) return this.#start();
    const before = this.#running.catch(() => {});
    this.#next ??= before.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return this.#next;
  }

  /** Returns the position that includes everything that was committed before the call. */
  async current(): Promise<number> {
    const newest = await this.look();
    while (this.#lastSeq < newest && !this.#closed) {
      await this.#options.settled();
      if (this.#lastSeq < newest) await this.look();
    }
    return this.#lastSeq;
  }

  /** Waits until a position is known here; false when it is not within `catchUp`. */
  async reach(position: number): Promise<boolean> {
    if (position <= this.#lastSeq) return true;
    const reached = new Promise<boolean>((resolve) => {
      const waiter = { position, resolve };
      this.#waiters.push(waiter);
      const giveUp = () => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        resolve(false);
      };
      setTimeout(giveUp, this.#options.catchUp).unref();
    });
    this.look().catch(() => {});
    return reached;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { resolve } of this.#waiters.splice(0)) resolve(false);
  }

  #schedule(): void {
    const { poll } = this.#options;
    const isBusy = performance.now() - this.#grewAt < poll;
    this.#timer = setTimeout(() => void this.#poll(), isBusy ? Math.min(BUSY_POLL_MS, poll) : poll).unref();
  }

  async #poll(): Promise<void> {
    // A database that is away is no error of the poll: `lag` grows.
    await this.look().catch(() => {});
    if (!this.#closed) this.#schedule();
  }

  #start(): Promise<number> {
    const running = this.#read();
    this.#running = running;
    const done = () => {
      if (this.#running === running) this.#running = undefined;
    };
    running.then(done, done);
    return running;
  }

  async #read(): Promise<number> {
    const begun = performance.now();
    const after = this.#lastSeq;
    let newest = after;
    for (let isPart = true; isPart; ) {
      const news = await this.#readNews(newest, Number.MAX_SAFE_INTEGER);
      newest = Math.max(newest, ...news.map(({ last }) => last));
      this.#apply(news);
      isPart = countOf(news) === PAGE_ENTRIES;
    }
    this.#readAt = begun;
    return newest;
  }

  /** Adds entries up to the first one that is held back. Those that a commit has passed on meanwhile are known. */
  #apply(news: readonly News[]): void {
    const end = Math.min(...news.filter(({ batch }) => this.#held.has(batch)).map(({ first }) => first));
    const after = this.#lastSeq;
    let head = after;
    for (const one of news) {
      one.log?.seen(one.last);
      if (one.last <= after || one.first >= end) continue;
      this.#add(one);
      head = Math.max(head, one.last);
    }
    if (head === after) return;
    this.#grewAt = performance.now();
    this.#advance(head);
    for (const listener of this.#listeners) listener({ after, head });
  }

  #add({ log, last, count }: News): void {
    if (log === undefined) return;
    log.grown(last, count);
    this.#options.onForeign(log);
  }

  #advance(lastSeq: number): void {
    this.#lastSeq = lastSeq;
    if (this.#waiters.length === 0) return;
    const reached = this.#waiters.filter(({ position }) => position <= lastSeq);
    this.#waiters = this.#waiters.filter(({ position }) => position > lastSeq);
    for (const { resolve } of reached) resolve(true);
  }

  async #readNews(after: number, upTo: number): Promise<readonly News[]> {
    const { readers, logs } = this.#options;
    const { rows } = await readers.send(NEWS, [after, upTo, PAGE_ENTRIES]);
    const [mark, isKnown] = rows[0] ?? [];
    // Entries after the loss are before the new position: they are in what is read from now on.
    if (await this.#isRewound(Number(mark), isKnown === 1)) return [];
    return (rows as unknown as [string, number, number | null, unknown, number, number, number][]).flatMap(
      ([, , id, batch, first, last, count]) =>
        id === null ? [] : [{ log: logs.get(id), batch: String(batch), first, last, count }],
    );
  }

  /** Finds out whether the database has lost entries that this server has read, and begins anew after them. */
  async #isRewound(mark: number, isKnown: boolean): Promise<boolean> {
    if (mark === this.#mark && isKnown) return false;
    const { markLoss, logs, onRewound } = this.#options;
    const known = this.#mark;
    const position = mark > Math.max(known, this.#lastSeq) ? mark : await markLoss(this.#lastSeq, known);
    this.#mark = position;
    for (const log of logs.values()) log.rewound(position);
    this.#advance(Math.max(position, this.#lastSeq));
    onRewound(position);
    return true;
  }
}

function countOf(news: readonly News[]): number {
  return news.reduce((sum, { count }) => sum + count, 0);
}
