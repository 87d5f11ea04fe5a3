import type { IncomingMessage } from 'node:http';
import type { FastifyServerOptions } from 'fastify';
import type { TransportName } from '../schema/plan.ts';

const STREAM = /[?&]stream=sse(?:&|$)/;

/** Which transport a request asks for. The same URL serves all three. */
export function transportOf({
  method,
  headers,
  url,
}: Pick<IncomingMessage, 'method' | 'headers' | 'url'>): TransportName {
  if (headers.upgrade !== undefined && headers.upgrade.toLowerCase() === 'websocket') return 'ws';
  if (method !== 'GET') return 'rest';
  if (headers.accept?.toLowerCase().includes('text/event-stream')) return 'sse';
  return STREAM.test(url ?? '') ? 'sse' : 'rest';
}

type Strategies = NonNullable<NonNullable<FastifyServerOptions['routerOptions']>['constraints']>;
type Strategy = NonNullable<Strategies[string]>;
type Handler = NonNullable<ReturnType<ReturnType<Strategy['storage']>['get']>>;

/** Lets routes with `constraints: { transport }` share a URL: a transport that is not registered is a 404. */
export const transportConstraint: Strategy = {
  name: 'transport',
  storage: () => {
    const handlers = new Map<string, Handler>();
    return {
      get: (transport: string) => handlers.get(transport) ?? null,
      set: (transport: string, handler: Handler) => void handlers.set(transport, handler),
    };
  },
  validate: () => {},
  deriveConstraint: transportOf,
  mustMatchWhenDerived: false,
};
