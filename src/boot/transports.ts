import { hasTable } from '../transports/endpoint.ts';
import type { MountedApp, TransportFactory } from '../transports/transport.ts';

export interface TransportEntry {
  /** True when the application has something for the transport. It is loaded when one application has. */
  accepts(app: MountedApp): boolean;
  load(): Promise<TransportFactory>;
}

/** The transports, in the order in which they take their addresses. Adding one is a folder and a line here. */
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
  multiplex: {
    accepts: ({ config }) => config.realtime.enabled,
    load: async () => (await import('../transports/multiplex/multiplex.ts')).createMultiplexTransport,
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
