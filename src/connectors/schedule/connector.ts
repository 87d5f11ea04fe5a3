import { Cron } from 'croner';
import { SERVER } from '../../auth/identity.ts';
import type { Report } from '../../config/files/report.ts';
import type { FlatKeys } from '../../config/keys/section.ts';
import { durationKey, optional, textKey } from '../../config/keys/values.ts';
import type {
  Connector,
  ConnectorContext,
  ConnectorType,
  ConnectorUse,
  Deliver,
  Handle,
  SourceType,
  SourceUse,
} from '../connector.ts';

interface ScheduleSettings {
  readonly cron: string | undefined;
  readonly every: number | undefined;
  readonly timezone: string;
}

export const SCHEDULE_SOURCE_KEYS: FlatKeys<ScheduleSettings> = {
  cron: textKey(undefined, { what: 'When, as five fields of cron, or six with seconds first', shownDefault: 'none' }),
  every: optional(durationKey('1m', { what: 'How often, counted from the start of the server', shownDefault: 'none' })),
  timezone: textKey('UTC', { what: 'Time zone of `cron`, such as Europe/Berlin' }),
};

const SOURCE: SourceType = {
  what: 'Runs at certain times',
  keys: SCHEDULE_SOURCE_KEYS,
  failure: 'redelivers',
  isPerFlow: true,
  members: ['event', 'name', 'time'],
};

/** Time as a source. A run that falls into a time when the server does not run, or while one is at work, is left out. */
export const scheduleConnector: ConnectorType<Record<string, never>> = {
  keys: {},
  isBuiltIn: true,
  sources: { named: {}, any: SOURCE },
  targets: { named: {} },
  check: checkSchedules,
  create: (_settings, context) => new ScheduleConnector(context),
};

function checkSchedules({ sources }: ConnectorUse<Record<string, never>>, report: Report): void {
  for (const { section, settings } of sources) {
    const { cron, every, timezone } = settings as ScheduleSettings;
    if ((cron === undefined) === (every === undefined)) {
      const hint = 'write `cron: "0 3 * * *"` or `every: 10m`';
      report.add(section.diagnose({ message: `${section.path} needs either cron or every`, hint }));
      continue;
    }
    const at = (key: string) => section.members.get(key) ?? section;
    if (!isTimezone(timezone)) {
      const hint = 'write one such as UTC or Europe/Berlin';
      report.add(at('timezone').diagnose({ message: `${section.path}.timezone: there is no such time zone`, hint }));
    } else if (cron !== undefined) {
      const wrong = cronProblem(cron, timezone);
      if (wrong !== undefined) report.add(at('cron').diagnose({ message: `${section.path}.cron: ${wrong}` }));
    }
  }
}

function isTimezone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }) !== undefined;
  } catch {
    return false;
  }
}

function cronProblem(pattern: string, timezone: string): string | undefined {
  // The library would take a date for a pattern, too.
  if (!/^(?:\S+\s+){4,5}\S+$/.test(pattern.trim())) return 'expected five or six fields, such as 0 3 * * *';
  try {
    const cron = new Cron(pattern, { timezone, paused: true });
    return cron.nextRun() === null ? 'it never comes' : undefined;
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, '');
  }
}

/** One source: when it runs next, and what is at work. */
interface Timer {
  stop(): void;
}

class ScheduleConnector implements Connector {
  readonly name: string;
  readonly #context: ConnectorContext;
  readonly #sources: { readonly use: SourceUse; readonly handle: Handle }[] = [];
  readonly #timers: Timer[] = [];
  readonly #atWork = new Set<Promise<void>>();
  #stopped = false;

  constructor(context: ConnectorContext) {
    this.name = context.name;
    this.#context = context;
  }

  listen(use: SourceUse, handle: Handle): void {
    this.#sources.push({ use, handle });
  }

  target(): Deliver {
    throw new Error('A schedule takes nothing.');
  }

  register(): void {}

  start(): void {
    for (const { use, handle } of this.#sources) this.#timers.push(this.#startTimer(use, handle));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) timer.stop();
    await Promise.all(this.#atWork);
  }

  abort(): void {}

  close(): void {}

  status(): { connections: number } {
    return { connections: 0 };
  }

  #startTimer({ flow, operation, settings }: SourceUse, handle: Handle): Timer {
    const { cron, every, timezone } = settings as ScheduleSettings;
    let isAtWork = false;
    const run = () => {
      if (isAtWork || this.#stopped) return;
      isAtWork = true;
      const work = this.#tell({ flow, operation, handle }).finally(() => {
        isAtWork = false;
        this.#atWork.delete(work);
      });
      this.#atWork.add(work);
    };
    if (cron !== undefined) return new Cron(cron, { timezone, unref: true }, run);
    const timer = setInterval(run, every).unref();
    return { stop: () => clearInterval(timer) };
  }

  async #tell({ flow, operation, handle }: { flow: string; operation: string; handle: Handle }): Promise<void> {
    const time = new Date().toISOString();
    const input = { event: 'schedule', name: operation, time };
    try {
      await handle({ input, identity: SERVER, key: `${this.name}:${flow}:${time}`, signal: NEVER });
    } catch (error) {
      // Nothing keeps it: the next run is the next time.
      if (!this.#stopped) this.#context.onError(error);
    }
  }
}

/** Somebody always waits for the outcome. */
const NEVER = new AbortController().signal;
