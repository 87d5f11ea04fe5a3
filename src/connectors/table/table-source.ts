import { SERVER } from '../../auth/identity.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Change, LogReader } from '../../store/store.ts';
import { type Handle, MissedEvents, type Positions } from '../connector.ts';
import { sleep } from '../flows/run/backoff.ts';
import type { SelectChange } from './change-filter.ts';

/** Changes that are read from the log at once. */
const PAGE = 100;
/** Milliseconds of work after which it is stored how far it has come. */
const SAVE_AFTER = 200;
/** Milliseconds before a change comes again that the flow could neither do nor keep. */
const PAUSE = 1000;

export interface TableSourceOptions {
  readonly flow: string;
  readonly table: TablePlan;
  readonly log: LogReader;
  readonly select: SelectChange;
  readonly start: 'now' | 'oldest';
  readonly positions: Positions;
  readonly handle: Handle;
  readonly onError: (error: unknown) => void;
}

/**
 * Takes the changes of one table to a flow, one after the other in the order of the log. It reads the log from where the
 * flow has got to, which is stored once the flow has done its work: after a crash some come again, and none is missed.
 */
export class TableSource {
  readonly #options: TableSourceOptions;
  readonly #name: string;
  readonly #stop = new AbortController();
  #position: number;
  #saved: number;
  #savedAt = 0;
  #running: Promise<void> | undefined;

  constructor(options: TableSourceOptions) {
    const { flow, table, log, start, positions } = options;
    this.#options = options;
    this.#name = `${flow}:${table.name}`;
    const stored = positions.get(this.#name);
    // A store that was put back to an older state has not got so far.
    this.#position = Math.min(stored ?? (start === 'oldest' ? log.oldest(table) : log.head), log.head);
    this.#saved = stored ?? Number.NaN;
    // What is written from now on is for the flow, also when it is stopped before it has seen anything.
    this.#save();
  }

  /** There may be changes. */
  wake(): void {
    if (this.#running !== undefined || this.#stop.signal.aborted) return;
    const { table, log, onError } = this.#options;
    if (log.tableHead(table) <= this.#position) return;
    this.#running = this.#run().then(
      () => {
        this.#running = undefined;
        this.wake();
      },
      async (error) => {
        onError(error);
        await sleep(PAUSE, [this.#stop.signal]);
        this.#running = undefined;
        this.wake();
      },
    );
  }

  /** Resolves when the change that is at work is done, or given back. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    try {
      this.#save();
    } catch (error) {
      // What has been done since the last time comes again.
      this.#options.onError(error);
    }
  }

  async #run(): Promise<void> {
    const { table, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#skipMissing(log.oldest(table));
      const changes = await log.readLog(table, this.#position, PAGE);
      for (const change of changes) {
        if (signal.aborted) return;
        if (!(await this.#tell(change))) return;
        this.#position = change.seq;
        if (Date.now() - this.#savedAt > SAVE_AFTER) this.#save();
      }
      this.#save();
      if (changes.length < PAGE) return;
    }
  }

  /** Changes that were removed from the log before the flow had seen them are gone: that is told, loudly. */
  #skipMissing(floor: number): void {
    if (floor <= this.#position) return;
    const { flow, table, onError } = this.#options;
    const what = `changes of ${table.name} up to ${floor}`;
    onError(new MissedEvents(flow, `${what} were gone from the log before it saw them`));
    this.#position = floor;
  }

  /** False when the server stops before it is done. */
  async #tell(change: Change): Promise<boolean> {
    const { select, handle, onError } = this.#options;
    const { signal } = this.#stop;
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
        await sleep(PAUSE, [signal]);
      }
    }
    return false;
  }

  #save(): void {
    if (this.#position === this.#saved) return;
    this.#options.positions.set(this.#name, this.#position);
    this.#saved = this.#position;
    this.#savedAt = Date.now();
  }
}

/** Somebody always waits for the outcome. */
const NEVER = new AbortController().signal;
