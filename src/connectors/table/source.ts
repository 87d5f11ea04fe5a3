import { SERVER } from '../../auth/identity.ts';
import { Follower } from '../../events/follower.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Change, LogReader } from '../../store/store.ts';
import { type Handle, MissedEvents, type SourcePositions } from '../connector.ts';
import { sleep } from '../flows/run/backoff.ts';
import type { SelectChange } from './change-filter.ts';

/** Interval at which the position is saved during work. */
const SAVE_INTERVAL_MS = 200;
/** Delay before a retry of a change that the flow could neither handle nor store. */
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
 * Delivers the changes of one table to a flow. The position is saved after the flow has handled a change: after a crash
 * some changes are delivered again, and none is lost.
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
    const earlier = (table.renamedFrom ?? []).map((name) => `${flow}:${name}`);
    const stored = [this.#name, ...earlier].map((name) => positions.get(name)).find((it) => it !== undefined);
    // Under an earlier name it is saved again.
    this.#saved = positions.get(this.#name) ?? Number.NaN;
    this.#follower = new Follower({
      table,
      log,
      // A store that was restored from a backup may end before the saved position.
      position: Math.min(stored ?? (start === 'oldest' ? log.logStart(table) : log.lastSeq), log.lastSeq),
      handle: (change, signal) => this.#handle(change, signal),
      missed: (position) => {
        const changes = `changes of ${table.name} up to ${position}`;
        onError(new MissedEvents(flow, `${changes} were removed from the log before the flow saw them`));
      },
      advanced: (position, isPageEnd) => {
        if (isPageEnd || Date.now() - this.#savedAt > SAVE_INTERVAL_MS) this.#save(position);
      },
      onError,
    });
    // Saved at once: later changes are for the flow, also when the server stops before it has handled any.
    this.#save(this.#follower.position);
  }

  /** Reads the log when there may be changes. */
  wake(): void {
    this.#follower.wake();
  }

  /** Resolves when the current change is done or abandoned. */
  async stop(): Promise<void> {
    await this.#follower.stop();
    try {
      this.#save(this.#follower.position);
    } catch (error) {
      // Changes since the last saved position are delivered again.
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

/** Signal that is never aborted: a change has no client that could disconnect. */
const NEVER = new AbortController().signal;
