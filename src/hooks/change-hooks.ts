import { Follower } from '../events/follower.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { Change, LogReader } from '../store/store.ts';
import { type CallOptions, type NamedHook, tellHook } from './call.ts';
import type { HookContext } from './types.ts';

export interface ChangeHookOptions extends CallOptions {
  readonly table: TablePlan;
  readonly hooks: readonly NamedHook[];
  readonly context: HookContext;
  readonly log: LogReader;
}

/** Calls the `afterChange` hooks of one table for every change since the start, one after the other. */
export class ChangeHooks {
  readonly #options: ChangeHookOptions;
  readonly #follower: Follower;

  constructor(options: ChangeHookOptions) {
    this.#options = options;
    const { table, log, onError } = options;
    this.#follower = new Follower({
      table,
      log,
      position: log.lastSeq,
      handle: (change) => this.#call(change),
      missed: (position) =>
        onError(new Error(`hook afterChange of ${table.name}: changes up to ${position} were gone from the log`)),
      onError,
    });
  }

  /** Reads new changes, if there are any. */
  wake(): void {
    this.#follower.wake();
  }

  /** Resolves when the running hook has ended. Later changes are not passed to hooks. */
  stop(): Promise<void> {
    return this.#follower.stop();
  }

  async #call({ op, id, seq, data, before }: Change): Promise<boolean> {
    if (op === 'publish') return true;
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
    return true;
  }
}
