import type { IncomingMessage } from 'node:http';
import type { FastifyServerOptions } from 'fastify';
import type { TransportName } from '../schema/plan.ts';

const STREAM = /[?&]stream=sse(?:&|$)/;
const EVENT_STREAM = 'text/event-stream';
/** In `Accept` (RFC 9110 §12.5.1): the media type itself, in whatever place, and its parameters. */
const EVENT_STREAM_RANGE = /(?:^|,)\s*text\/event-stream\s*(?:;([^,]*))?(?=,|$)/g;
/** Quality 0: not acceptable. */
const REFUSED = /(?:^|;)\s*q\s*=\s*0(?:\.0*)?\s*(?:;|$)/;
const QUOTED = /"(?:[^"\\]|\\.)*"/g;

/** Which transport a request asks for. The same URL serves all three. */
export function transportOf({
  method,
  headers,
  url,
}: Pick<IncomingMessage, 'method' | 'headers' | 'url'>): TransportName {
  if (headers.upgrade !== undefined && headers.upgrade.toLowerCase() === 'websocket') return 'ws';
  if (method !== 'GET') return 'rest';
  if (headers.accept !== undefined && acceptsStream(headers.accept)) return 'sse';
  return STREAM.test(url ?? '') ? 'sse' : 'rest';
}

/** Whether a stream is named among what is accepted. Beside others, and with whatever quality: who names it can read it. */
function acceptsStream(accept: string): boolean {
  if (accept === EVENT_STREAM) return true;
  const lower = accept.toLowerCase();
  if (!lower.includes(EVENT_STREAM)) return false;
  for (const [, parameters = ''] of lower.replace(QUOTED, '""').matchAll(EVENT_STREAM_RANGE)) {
    if (!REFUSED.test(parameters)) return true;
  }
  return false;
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
