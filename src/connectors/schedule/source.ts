import { Cron } from 'croner';
import { SERVER } from '../../auth/identity.ts';
import type { Leases, TaskLease } from '../../store/shared-store.ts';
import type { Handle, SourceUse } from '../connector.ts';
import type { ScheduleSettings } from './keys.ts';

interface ScheduleSourceOptions {
  /** Name of the connector. */
  readonly name: string;
  readonly use: SourceUse;
  readonly handle: Handle;
  /** Set where several servers share the store. */
  readonly leases: Leases | undefined;
  readonly onError: (error: unknown) => void;
}

/** Starts one flow at certain times. Skips a run while the one before is still running. */
export class ScheduleSource {
  readonly #options: ScheduleSourceOptions;
  #timer: { stop(): void } | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #lease: TaskLease | undefined;

  constructor(options: ScheduleSourceOptions) {
    this.#options = options;
  }

  start(): void {
    const { cron, every, timezone } = this.#options.use.settings as ScheduleSettings;
    const run = (planned?: Date) => {
      if (this.#isStopped) return;
      this.#running ??= this.#emit(planned).finally(() => {
        this.#running = undefined;
      });
    };
    if (cron !== undefined) {
      let next: Date | null = null;
      const timer = new Cron(cron, { timezone, unref: true }, () => {
        const planned = next;
        next = timer.nextRun();
        run(planned ?? undefined);
      });
      next = timer.nextRun();
      this.#timer = timer;
      return;
    }
    const { leases, use } = this.#options;
    this.#lease = leases?.take(`schedule:${use.flow}`);
    const timer = setInterval(() => {
      if (this.#lease?.isHeld ?? true) run();
    }, every).unref();
    this.#timer = { stop: () => clearInterval(timer) };
  }

  /** Resolves when the current run has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.stop();
    await this.#running;
    await this.#lease?.release();
  }

  /** `planned`: time of a run that every server has in its plan. Clocks differ, and one of the servers does it. */
  async #emit(planned: Date | undefined): Promise<void> {
    const { name, use, handle, leases, onError } = this.#options;
    const time = (leases === undefined || planned === undefined ? new Date() : planned).toISOString();
    const input = { event: 'schedule', name: use.operation, time };
    try {
      if (leases !== undefined && planned !== undefined) {
        if (!(await leases.claimRun(`schedule:${use.flow}`, planned.getTime()))) return;
      }
      await handle({ input, identity: SERVER, key: `${name}:${use.flow}:${time}`, signal: NEVER });
    } catch (error) {
      // The run is not repeated: the next one is the next attempt.
      if (!this.#isStopped) onError(error);
    }
  }
}

/** Signal that is never aborted: a run has no client that could disconnect. */
const NEVER = new AbortController().signal;
