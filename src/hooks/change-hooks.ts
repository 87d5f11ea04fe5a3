import type { TablePlan } from '../schema/plan.ts';
import type { Change, LogReader } from '../store/store.ts';
import { type CallOptions, type NamedHook, tellHook } from './call.ts';
import type { HookContext } from './types.ts';

/** Changes that are read from the log at once. */
const PAGE = 100;

export interface ChangeHookOptions extends CallOptions {
  readonly table: TablePlan;
  readonly hooks: readonly NamedHook[];
  readonly context: HookContext;
  readonly log: LogReader;
}

/**
 * Hands the changes of one table since the start to its hooks, one after the other in the order of the log. It reads the
 * log instead of keeping them, so that a slow hook costs no memory and nobody waits for it.
 */
export class ChangeHooks {
  readonly #options: ChangeHookOptions;
  #position: number;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ChangeHookOptions) {
    this.#options = options;
    this.#position = options.log.head;
  }

  /** There may be changes. */
  wake(): void {
    if (this.#running !== undefined || this.#stopped) return;
    const { table, log, onError } = this.#options;
    if (log.tableHead(table) <= this.#position) return;
    this.#running = this.#run().then(
      () => {
        this.#running = undefined;
        this.wake();
      },
      (error) => {
        // The next change tries again.
        this.#running = undefined;
        onError(error);
      },
    );
  }

  /** Resolves when the hook that runs has ended; what it has not been told by then it is not told any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { table, log, onError } = this.#options;
    while (!this.#stopped) {
      const floor = log.oldest(table);
      if (floor > this.#position) {
        onError(new Error(`hook afterChange of ${table.name}: changes up to ${floor} were gone from the log`));
        this.#position = floor;
      }
      const changes = await log.readLog(table, this.#position, PAGE);
      for (const change of changes) {
        if (this.#stopped) return;
        await this.#tell(change);
        this.#position = change.seq;
      }
      if (changes.length < PAGE) return;
    }
  }

  async #tell({ op, id, seq, data, before }: Change): Promise<void> {
    if (op === 'publish') return;
    const { table, hooks, context } = this.#options;
    for (const hook of hooks) {
      const event = {
        table: table.exportName,
        op,
        id,
        seq,
        record: op === 'delete' ? null : JSON.parse(data),
        before: before === null ? null : JSON.parse(before),
        ...context,
      };
      await tellHook(hook, event, this.#options);
    }
  }
}
