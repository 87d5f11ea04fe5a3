import type { AppFlows } from '../connectors/flows/app-flows.ts';
import { BOUNDS, OUTCOMES } from '../connectors/flows/run/flow-counts.ts';
import type { FlowRunner } from '../connectors/flows/run/flow-runner.ts';
import type { Application } from '../resources/application.ts';
import type { Counters } from '../resources/table/types.ts';
import type { Histogram, Metric } from '../server/operations/metrics.ts';
import type { NamedPart } from '../transports/transport.ts';
import type { OpenApp } from './open-app.ts';

export interface MetricSources {
  readonly transports: readonly NamedPart[];
  readonly opened: readonly Pick<OpenApp, 'application' | 'flows'>[];
}

const COUNTERS: Readonly<Record<keyof Counters, string>> = {
  reads: 'Reads of records and lists.',
  cached: 'Lists that were served from the cache, since nothing had changed.',
  writes: 'Writes that were committed.',
  messages: 'WebSocket messages that were executed.',
  refused: 'Writes that the store refused.',
};

/** Describes the metrics of applications, transports and flows. The metrics of Node come from the library. */
export function describeMetrics({ transports, opened }: MetricSources): (Metric | Histogram)[] {
  const applications = opened.map(({ application }) => application);
  const flows = opened.flatMap(({ flows: own }) => own ?? []);
  const connectors = flows.flatMap(({ appId, connectors: own }) => own.map((connector) => ({ appId, connector })));
  return [
    {
      name: 'tablecast_connections',
      help: 'Open streams and sockets.',
      type: 'gauge',
      labels: ['transport'],
      read: () =>
        transports
          .flatMap((transport) => transport.parts?.() ?? [[transport.name, transport.status()] as const])
          .map(([label, { connections }]) => [[label], connections] as const),
    },
    {
      name: 'tablecast_rooms',
      help: 'Rooms with at least one member.',
      type: 'gauge',
      labels: ['app', 'connector'],
      read: () =>
        connectors.flatMap(({ appId, connector }) => {
          const { rooms } = connector.status();
          return rooms === undefined ? [] : [[[appId, connector.name], rooms] as const];
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
    {
      name: 'tablecast_storage_failing',
      help: '1 while the data directory cannot be written, otherwise 0.',
      type: 'gauge',
      labels: ['app'],
      read: () =>
        applications.map(({ plan, storage }) => [[plan.appId], storage.failure === undefined ? 0 : 1] as const),
    },
    {
      name: 'tablecast_storage_failures_total',
      help: 'Transactions that failed since the data directory could not be written.',
      type: 'counter',
      labels: ['app'],
      read: () => applications.map(({ plan, storage }) => [[plan.appId], storage.failed] as const),
    },
    {
      name: 'tablecast_feed_lag_seconds',
      help: 'Time since the log of a PostgreSQL store was last read up to its end.',
      type: 'gauge',
      labels: ['app'],
      read: () =>
        applications.flatMap(({ plan, log }) =>
          log.shared === undefined ? [] : [[[plan.appId], log.shared.lag() / 1000] as const],
        ),
    },
    {
      name: 'tablecast_nats_connected',
      help: '1 while the server is connected to NATS, 0 while the database carries what servers tell each other.',
      type: 'gauge',
      labels: ['app'],
      read: () =>
        applications.flatMap(({ plan, nats }) =>
          nats === undefined ? [] : [[[plan.appId], nats.isConnected ? 1 : 0] as const],
        ),
    },
    ...Object.entries(COUNTERS).map(([name, help]) => counter(name as keyof Counters, help, applications)),
    ...(flows.length === 0 ? [] : flowMetrics(flows)),
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

function flowMetrics(flows: readonly AppFlows[]): (Metric | Histogram)[] {
  const each = <T>(read: (runner: FlowRunner, flows: AppFlows) => T) =>
    flows.flatMap((one) => one.runners.map((runner) => [[one.appId, runner.flow.name], read(runner, one)] as const));
  const labels = ['app', 'flow'];
  return [
    {
      name: 'tablecast_flow_events_total',
      help: 'Events of flows by outcome.',
      type: 'counter',
      labels: [...labels, 'outcome'],
      read: () =>
        each(({ counts }) => counts.events).flatMap(([names, events]) =>
          OUTCOMES.map((outcome) => [[...names, outcome], events[outcome]] as const),
        ),
    },
    {
      name: 'tablecast_flow_retries_total',
      help: 'Retries of events by flows.',
      type: 'counter',
      labels,
      read: () => each(({ counts }) => counts.retries),
    },
    {
      name: 'tablecast_flow_gaps_total',
      help: 'Times that changes were removed from the log before a flow had read them.',
      type: 'counter',
      labels,
      read: () => each(({ counts }) => counts.gaps),
    },
    {
      name: 'tablecast_flow_duration_seconds',
      help: 'Duration of an event in a flow, including waits between tries.',
      type: 'histogram',
      labels,
      read: () =>
        each(({ counts: { buckets, seconds, timed } }) => ({ bounds: BOUNDS, buckets, sum: seconds, count: timed })),
    },
    {
      name: 'tablecast_flow_events_at_work',
      help: 'Events of flows that are being handled.',
      type: 'gauge',
      labels,
      read: () => each(({ inFlight }) => inFlight),
    },
    {
      name: 'tablecast_flow_dead_letters',
      help: 'Events that flows could not handle.',
      type: 'gauge',
      labels,
      read: () => each(({ flow }, { deadLetters }) => deadLetters.count(flow.name)),
    },
  ];
}
