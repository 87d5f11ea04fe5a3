import { SERVER } from '../../auth/identity.ts';
import { Follower } from '../../events/follower.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Change, LogReader } from '../../store/store.ts';
import { type Handle, MissedEvents, type SourcePositions } from '../connector.ts';
import { sleep } from '../flows/run/backoff.ts';
import type { SelectChange } from './change-filter.ts';

/** Milliseconds of work after which the position is saved. */
const SAVE_INTERVAL_MS = 200;
/** Milliseconds before a change comes again that the flow could neither do nor keep. */
const RETRY_DELAY_MS = 1000;

export interface ChangeSourceOptions {
  readonly flow: string;
  readonly table: TablePlan;
  readonly log: LogReader;
  readonly select: SelectChange;
  readonly start: 'now' | 'oldest';
  readonly positions: SourcePositions;
  readonly handle: Handle;
  readonly onError: (error: unknown) => void;
}

/**
 * Takes the changes of one table to a flow. Its position is saved once the flow has done its work: after a crash some
 * changes come again, and none is missed.
 */
export class ChangeSource {
  readonly #options: ChangeSourceOptions;
  readonly #name: string;
  readonly #follower: Follower;
  #saved: number;
  #savedAt = 0;

  constructor(options: ChangeSourceOptions) {
    const { flow, table, log, start, positions, onError } = options;
    this.#options = options;
    this.#name = `${flow}:${table.name}`;
    const stored = positions.get(this.#name);
    this.#saved = stored ?? Number.NaN;
    this.#follower = new Follower({
      table,
      log,
      // A store that was restored to an older state has not got so far.
      position: Math.min(stored ?? (start === 'oldest' ? log.logStart(table) : log.lastSeq), log.lastSeq),
      handle: (change, signal) => this.#handle(change, signal),
      missed: (position) => {
        const what = `changes of ${table.name} up to ${position}`;
        onError(new MissedEvents(flow, `${what} were gone from the log before it saw them`));
      },
      advanced: (position, isPageEnd) => {
        if (isPageEnd || Date.now() - this.#savedAt > SAVE_INTERVAL_MS) this.#save(position);
      },
      onError,
    });
    // What is written from now on is for the flow, also when it is stopped before it has seen anything.
    this.#save(this.#follower.position);
  }

  /** Begins to read when there may be changes. */
  wake(): void {
    this.#follower.wake();
  }

  /** Resolves when the change under way is done, or given back. */
  async stop(): Promise<void> {
    await this.#follower.stop();
    try {
      this.#save(this.#follower.position);
    } catch (error) {
      // What has been done since the last time comes again.
      this.#options.onError(error);
    }
  }

  /** Resolves with false when the server stops before the change is done. */
  async #handle(change: Change, signal: AbortSignal): Promise<boolean> {
    const { select, handle, onError } = this.#options;
    const input = select(change);
    if (input === undefined) return true;
    const event = { input, identity: SERVER, key: `${change.table.name}:${change.seq}`, signal: NEVER };
    while (!signal.aborted) {
      try {
        await handle(event);
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        onError(error);
        await sleep(RETRY_DELAY_MS, [signal]);
      }
    }
    return false;
  }

  #save(position: number): void {
    if (position === this.#saved) return;
    this.#options.positions.set(this.#name, position);
    this.#saved = position;
    this.#savedAt = Date.now();
  }
}

/** A change of a table is always worth finishing. */
const NEVER = new AbortController().signal;
