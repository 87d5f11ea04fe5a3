import { SERVER } from '../../auth/identity.ts';
import { Follower } from '../../events/follower.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { TaskLease } from '../../store/shared-store.ts';
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
  readonly #start: number;
  #follower: Follower | undefined;
  #lease: TaskLease | undefined;
  #saved: number | undefined;
  #savedAt = 0;

  constructor(options: ChangeSourceOptions) {
    const { flow, table, log, start } = options;
    this.#options = options;
    this.#name = `${flow}:${table.name}`;
    // Without a stored position everything that happens from now on is for the flow.
    this.#start = start === 'oldest' ? log.logStart(table) : log.lastSeq;
  }

  /** Begins at the stored position; where several servers share the store, when this one has the task. */
  async open(): Promise<void> {
    const { log, onError } = this.#options;
    this.#lease = log.shared?.leases.take(`source:${this.#name}`, {
      got: async () => {
        await this.#begin();
        this.wake();
      },
      lost: () => this.#end(),
      onError,
    });
    if (this.#lease === undefined) await this.#begin();
  }

  async #begin(): Promise<void> {
    const { flow, table, log, onError } = this.#options;
    await this.#end();
    const stored = await this.#read();
    const follower = new Follower({
      table,
      log,
      // A store that was restored from a backup may end before the saved position.
      position: Math.min(stored ?? this.#start, log.lastSeq),
      handle: (change, signal) => this.#handle(change, signal),
      missed: (position) => {
        const changes = `changes of ${table.name} up to ${position}`;
        onError(new MissedEvents(flow, `${changes} were removed from the log before the flow saw them`));
      },
      advanced: (position, isPageEnd) => {
        if (isPageEnd || Date.now() - this.#savedAt > SAVE_INTERVAL_MS) void this.#save(position).catch(onError);
      },
      onError,
    });
    // Saved at once: later changes are for the flow, also when the server stops before it has handled any.
    await this.#save(follower.position);
    this.#follower = follower;
  }

  /** Reads the log when there may be changes. */
  wake(): void {
    this.#follower?.wake();
  }

  /** Resolves when the current change is done or abandoned. */
  async stop(): Promise<void> {
    const follower = this.#follower;
    await this.#end();
    try {
      if (follower !== undefined) await this.#save(follower.position);
    } catch (error) {
      // Changes since the last saved position are delivered again.
      this.#options.onError(error);
    }
    await this.#lease?.release();
  }

  async #end(): Promise<void> {
    const follower = this.#follower;
    this.#follower = undefined;
    await follower?.stop();
  }

  /** Resolves with false when the server stops before the change is done. */
  async #handle(change: Change, signal: AbortSignal): Promise<boolean> {
    const { select, handle, onError } = this.#options;
    const input = select(change);
    if (input === undefined) return true;
    const event = { input, identity: SERVER, key: `${change.table.name}:${change.seq}`, signal: NEVER };
    while (!signal.aborted && this.#isOwn) {
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

  /** False when another server may have the task. */
  get #isOwn(): boolean {
    return this.#lease?.isHeld ?? true;
  }

  /** Returns the stored position, also of a table that had another name. */
  async #read(): Promise<number | undefined> {
    const { flow, table, positions } = this.#options;
    this.#saved = await positions.get(this.#name);
    if (this.#saved !== undefined) return this.#saved;
    // Under an earlier name it is saved again.
    for (const name of table.renamedFrom ?? []) {
      const stored = await positions.get(`${flow}:${name}`);
      if (stored !== undefined) return stored;
    }
    return undefined;
  }

  async #save(position: number): Promise<void> {
    if (position === this.#saved || !this.#isOwn) return;
    const before = this.#saved;
    this.#saved = position;
    this.#savedAt = Date.now();
    try {
      await this.#options.positions.set(this.#name, position, this.#lease?.fence);
    } catch (error) {
      this.#saved = before;
      throw error;
    }
  }
}

/** Signal that is never aborted: a change has no client that could disconnect. */
const NEVER = new AbortController().signal;
