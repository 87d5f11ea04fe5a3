import { setTimeout as sleep } from 'node:timers/promises';
import type { TablePlan } from '../schema/plan.ts';
import type { Change, LogReader } from '../store/store.ts';
import { hasGap } from './feed.ts';

/** Changes that are read from the log at once. */
const MAX_PAGE_CHANGES = 100;
/** Milliseconds before the log is read again after a failure. */
const RETRY_DELAY_MS = 1000;

export interface FollowerOptions {
  readonly table: TablePlan;
  readonly log: LogReader;
  /** Position to begin at: the first change is the one after it. */
  readonly position: number;
  /** Handles one change; resolves with false when the follower stops before the change is done. */
  handle(change: Change, signal: AbortSignal): Promise<boolean>;
  /** Called when changes up to `position` left the log before they were handled. */
  missed(position: number): void;
  /** Called after each change and at the end of each run, to save the position. */
  advanced?(position: number, isPageEnd: boolean): void;
  onError(error: unknown): void;
}

/**
 * Passes the changes of one table to a handler, one after the other in the order of the log. It reads the log instead of
 * keeping changes, so that a slow handler costs no memory and delays no other reader.
 */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #stop = new AbortController();
  #position: number;
  #running: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  /** seq up to which everything is handled. */
  get position(): number {
    return this.#position;
  }

  /** Begins to read when there may be changes. */
  wake(): void {
    if (this.#running !== undefined || this.#stop.signal.aborted) return;
    const { table, log, onError } = this.#options;
    if (log.lastTableSeq(table) <= this.#position) return;
    this.#running = this.#run()
      .catch(async (error) => {
        onError(error);
        await sleep(RETRY_DELAY_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
      })
      .finally(() => {
        this.#running = undefined;
        this.wake();
      });
  }

  /** Resolves when the change under way is done, or given back. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { table, log, handle, missed, advanced } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const logStart = log.logStart(table);
      if (logStart > this.#position) {
        missed(logStart);
        this.#position = logStart;
      }
      const changes = await log.readLog(table, this.#position, MAX_PAGE_CHANGES);
      // The next round tells what is missing.
      if (hasGap(log, table, { after: this.#position, page: changes })) continue;
      for (const change of changes) {
        if (signal.aborted || !(await handle(change, signal))) return;
        this.#position = change.seq;
        advanced?.(this.#position, false);
      }
      advanced?.(this.#position, true);
      if (changes.length < MAX_PAGE_CHANGES) return;
    }
  }
}
