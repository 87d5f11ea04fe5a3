import type { FastifyInstance } from 'fastify';
import type { Connector } from '../connectors/connector.ts';
import { hasTable } from '../transports/endpoint.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transports/transport.ts';
import type { OpenApp } from './open-app.ts';

export interface TransportEntry {
  /** True when the application uses the transport. A transport is loaded when one application uses it. */
  accepts(app: MountedApp): boolean;
  load(): Promise<TransportFactory>;
}

/** Transports in the order in which they register their routes. A new one is a folder and a line here. */
export const TRANSPORTS: Readonly<Record<string, TransportEntry>> = {
  rest: {
    accepts: (app) => hasTable(app, 'rest'),
    load: async () => (await import('../transports/rest/rest.ts')).createRestTransport,
  },
  sse: {
    accepts: (app) => hasTable(app, 'sse'),
    load: async () => (await import('../transports/sse/sse.ts')).createSseTransport,
  },
  ws: {
    accepts: (app) => hasTable(app, 'ws'),
    load: async () => (await import('../transports/ws/ws.ts')).createWsTransport,
  },
  transactions: {
    accepts: (app) => hasTable(app, 'rest'),
    load: async () => (await import('../transports/transactions/transactions.ts')).createTransactionsTransport,
  },
  multiplex: {
    accepts: ({ config }) => config.realtime.enabled,
    load: async () => (await import('../transports/multiplex/multiplex.ts')).createMultiplexTransport,
  },
  live: {
    accepts: ({ config }) => config.realtime.enabled,
    load: async () => (await import('../transports/live/live.ts')).createLiveTransport,
  },
  routes: {
    accepts: ({ config }) => config.routes.length > 0,
    load: async () => (await import('../transports/routes/routes.ts')).createRoutesTransport,
  },
  connectors: {
    accepts: ({ connectors }) => connectors !== undefined,
    load: async () => (await import('../connectors/transport.ts')).createConnectorsTransport,
  },
};

/** Registers every transport that an application uses. */
export async function mountTransports(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  context: TransportContext,
): Promise<Transport[]> {
  const apps = opened.map(toMountedApp);
  const mounted: Transport[] = [];
  for (const { accepts, load } of Object.values(TRANSPORTS)) {
    const accepted = apps.filter(accepts);
    if (accepted.length === 0) continue;
    const create = await load();
    const transport = create(context);
    mounted.push(transport);
    await transport.register(server, accepted);
  }
  return mounted;
}

function toMountedApp({ config, application, auth, hooks, routes, flows, hasShortAddress }: OpenApp): MountedApp {
  const { resources, planTag, transactions, roomAccess } = application;
  const connectors = flows?.connectors ?? [];
  return {
    config,
    resources,
    transactions,
    planTag,
    auth,
    hooks: hooks?.realtime,
    routes,
    rooms: byName(connectors, ({ rooms }) => rooms),
    roomServices: byName(connectors, ({ roomService }) => roomService),
    roomAccess,
    connectors: flows,
    hasShortAddress,
  };
}

function byName<P>(connectors: readonly Connector[], partOf: (connector: Connector) => P | undefined): Map<string, P> {
  return new Map(
    connectors.flatMap((connector) => {
      const part = partOf(connector);
      return part === undefined ? [] : [[connector.name, part] as const];
    }),
  );
}
