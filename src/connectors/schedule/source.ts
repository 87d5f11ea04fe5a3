import { Cron } from 'croner';
import { SERVER } from '../../auth/identity.ts';
import type { Handle, SourceUse } from '../connector.ts';
import type { ScheduleSettings } from './keys.ts';

interface ScheduleSourceOptions {
  /** Name of the connector. */
  readonly name: string;
  readonly use: SourceUse;
  readonly handle: Handle;
  readonly onError: (error: unknown) => void;
}

/** Starts one flow at certain times. Skips a run while the one before is still running. */
export class ScheduleSource {
  readonly #options: ScheduleSourceOptions;
  #timer: { stop(): void } | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: ScheduleSourceOptions) {
    this.#options = options;
  }

  start(): void {
    const { cron, every, timezone } = this.#options.use.settings as ScheduleSettings;
    const run = () => {
      if (this.#isStopped) return;
      this.#running ??= this.#emit().finally(() => {
        this.#running = undefined;
      });
    };
    if (cron !== undefined) {
      this.#timer = new Cron(cron, { timezone, unref: true }, run);
      return;
    }
    const timer = setInterval(run, every).unref();
    this.#timer = { stop: () => clearInterval(timer) };
  }

  /** Resolves when the current run has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.stop();
    await this.#running;
  }

  async #emit(): Promise<void> {
    const { name, use, handle, onError } = this.#options;
    const time = new Date().toISOString();
    const input = { event: 'schedule', name: use.operation, time };
    try {
      await handle({ input, identity: SERVER, key: `${name}:${use.flow}:${time}`, signal: NEVER });
    } catch (error) {
      // The run is not repeated: the next one is the next attempt.
      if (!this.#isStopped) onError(error);
    }
  }
}

/** Signal that is never aborted: a run has no client that could disconnect. */
const NEVER = new AbortController().signal;
