import { Follower } from '../events/follower.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { TaskLease } from '../store/shared-store.ts';
import type { Change, LogReader } from '../store/store.ts';
import { type CallOptions, type NamedHook, tellHook } from './call.ts';
import type { HookContext } from './types.ts';

export interface ChangeHookOptions extends CallOptions {
  readonly table: TablePlan;
  readonly hooks: readonly NamedHook[];
  readonly context: HookContext;
  readonly log: LogReader;
}

/**
 * Calls the `afterChange` hooks of one table for every change since the start, one after the other. Of several servers one
 * does so, and the next one goes on where it has stopped.
 */
export class ChangeHooks {
  readonly #options: ChangeHookOptions;
  /** Position at the start. */
  readonly #start: number;
  readonly #lease: TaskLease | undefined;
  #follower: Follower | undefined;

  constructor(options: ChangeHookOptions) {
    this.#options = options;
    const { table, log, onError } = options;
    this.#start = log.lastSeq;
    this.#lease = log.shared?.leases.take(`hooks:${table.name}`, {
      got: (kept) => this.#begin(kept ?? this.#start),
      lost: () => this.#end(),
      onError,
    });
    if (this.#lease === undefined) this.#follower = this.#follow(this.#start);
  }

  /** Reads new changes, if there are any. */
  wake(): void {
    this.#follower?.wake();
  }

  /** Resolves when the running hook has ended. Later changes are not passed to hooks of this server. */
  async stop(): Promise<void> {
    const follower = this.#follower;
    await this.#end();
    if (follower !== undefined) await this.#keep(follower.position);
    await this.#lease?.release();
  }

  async #begin(position: number): Promise<void> {
    await this.#end();
    this.#follower = this.#follow(position);
    await this.#keep(position);
    this.wake();
  }

  async #end(): Promise<void> {
    const follower = this.#follower;
    this.#follower = undefined;
    await follower?.stop();
  }

  #follow(position: number): Follower {
    const { table, log, onError } = this.#options;
    return new Follower({
      table,
      log,
      position,
      handle: async (change) => (this.#lease?.isHeld ?? true) && this.#call(change),
      missed: (to) =>
        onError(new Error(`hook afterChange of ${table.name}: changes up to ${to} were gone from the log`)),
      advanced: (to, isPageEnd) => {
        if (isPageEnd) void this.#keep(to);
      },
      onError,
    });
  }

  /** Stores the position for the next server; what it does not know of is passed to its hooks again. */
  async #keep(position: number): Promise<void> {
    await this.#lease?.keep(position).catch(this.#options.onError);
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
