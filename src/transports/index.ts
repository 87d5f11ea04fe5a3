import type { TransportName } from '../schema/plan.ts';
import type { TransportFactory } from './transport.ts';

/** The transports by name; each is loaded when a table has it switched on. */
export const TRANSPORT_LOADERS: Readonly<Record<TransportName, () => Promise<TransportFactory>>> = {
  rest: async () => (await import('./rest/rest.ts')).createRestTransport,
  sse: async () => (await import('./sse/sse.ts')).createSseTransport,
  ws: async () => (await import('./ws/ws.ts')).createWsTransport,
};
