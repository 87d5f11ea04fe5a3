import type { Report } from '../../config/files/report.ts';
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
import { SCHEDULE_SOURCE_KEYS, type ScheduleSettings, scheduleError } from './keys.ts';
import { ScheduleSource } from './source.ts';

const SOURCE: SourceType = {
  what: 'Runs at certain times',
  keys: SCHEDULE_SOURCE_KEYS,
  failure: 'redelivers',
  isPerFlow: true,
  members: ['event', 'name', 'time'],
};

/** Time as a source. Runs that fall due while the server is down, or while another run is in progress, are skipped. */
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
    const error = scheduleError(section, settings as ScheduleSettings);
    if (error === undefined) continue;
    const { at, ...wrong } = error;
    report.add(at.diagnose(wrong));
  }
}

class ScheduleConnector implements Connector {
  readonly name: string;
  readonly #context: ConnectorContext;
  readonly #sources: ScheduleSource[] = [];

  constructor(context: ConnectorContext) {
    this.name = context.name;
    this.#context = context;
  }

  listen(use: SourceUse, handle: Handle): void {
    const { name, application, onError } = this.#context;
    const leases = application.log.shared?.leases;
    this.#sources.push(new ScheduleSource({ name, use, handle, leases, onError }));
  }

  target(): Deliver {
    throw new Error('A schedule cannot be a target.');
  }

  register(): void {}

  start(): void {
    for (const source of this.#sources) source.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.stop()));
  }

  abort(): void {}

  close(): void {}

  status(): { connections: number } {
    return { connections: 0 };
  }
}
