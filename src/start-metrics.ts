import type { Application } from './resources/application.ts';
import type { Counters } from './resources/table-types.ts';
import type { Metric } from './server/metrics.ts';
import type { Door } from './transports/transport.ts';

export interface MetricSources {
  readonly transports: readonly Door[];
  readonly applications: readonly Application[];
}

const COUNTERS: Readonly<Record<keyof Counters, string>> = {
  reads: 'Reads of records and lists.',
  writes: 'Writes that were committed.',
  messages: 'WebSocket messages that were carried out.',
  refused: 'Writes that the store refused.',
};

/** What the product reports of itself, beside what the runtime reports. */
export function describeMetrics({ transports, applications }: MetricSources): Metric[] {
  return [
    {
      name: 'tablecast_connections',
      help: 'Open streams and sockets.',
      type: 'gauge',
      labels: ['transport'],
      read: () => transports.map((transport) => [[transport.name], transport.status().connections] as const),
    },
    {
      name: 'tablecast_rooms',
      help: 'Rooms that somebody is in.',
      type: 'gauge',
      labels: ['connector'],
      read: () =>
        transports.flatMap((transport) => {
          const { rooms } = transport.status();
          return rooms === undefined ? [] : [[[transport.name], rooms] as const];
        }),
    },
    {
      name: 'tablecast_subscriptions',
      help: 'Open subscriptions.',
      type: 'gauge',
      labels: ['app'],
      read: () => applications.map(({ plan, hub }) => [[plan.appId], hub.size] as const),
    },
    {
      name: 'tablecast_waiting_writes',
      help: 'Writes that wait for their commit.',
      type: 'gauge',
      labels: ['app'],
      read: () => applications.map(({ plan, commits }) => [[plan.appId], commits.waiting] as const),
    },
    ...Object.entries(COUNTERS).map(([name, help]) => counter(name as keyof Counters, help, applications)),
  ];
}

function counter(name: keyof Counters, help: string, applications: readonly Application[]): Metric {
  return {
    name: `tablecast_${name}_total`,
    help,
    type: 'counter',
    labels: ['app', 'table'],
    read: () =>
      applications.flatMap(({ plan, resources }) =>
        [...resources.values()].map(({ table, counters }) => [[plan.appId, table.name], counters[name]] as const),
      ),
  };
}
