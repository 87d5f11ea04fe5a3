import type { IncomingMessage } from 'node:http';
import type { FastifyServerOptions } from 'fastify';
import type { TransportName } from '../schema/plan.ts';
import { MEDIA_TYPE_NAMES } from './content/formats.ts';

const STREAM = /[?&]stream=sse(?:&|$)/;
const EVENT_STREAM = 'text/event-stream';
const QUOTED = /"(?:[^"\\]|\\.)*"/g;
/** The quality of a media range among its parameters (RFC 9110 §12.4.2). */
const QUALITY = /(?:^|;)\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)/;
/** What else a table can give, and the ranges in which that is. */
const OTHERS: ReadonlySet<string> = new Set(MEDIA_TYPE_NAMES);
const WILDCARDS: ReadonlySet<string> = new Set(['*/*', ...MEDIA_TYPE_NAMES.map((name) => name.replace(/\/.*/, '/*'))]);

type Asking = Pick<IncomingMessage, 'method' | 'headers' | 'url'> & Partial<Pick<IncomingMessage, 'httpVersion'>>;

/** `either`: a stream would do, but something else is liked better, if the address has it. */
type Wish = TransportName | 'either';

/** Which transport a request asks for. The same URL serves all three. */
export function transportOf(request: Asking): TransportName {
  const wish = wishOf(request);
  return wish === 'either' ? 'rest' : wish;
}

/** Whether a stream may be the answer to a request. */
export function mayStream(request: Asking): boolean {
  return wishOf(request) !== 'rest';
}

function wishOf({ method, headers, url, httpVersion }: Asking): Wish {
  const { upgrade, accept } = headers;
  // In HTTP/1.0 there is no such thing (RFC 9110 §7.8).
  if (upgrade !== undefined && upgrade.toLowerCase() === 'websocket' && httpVersion !== '1.0') return 'ws';
  if (method !== 'GET' && method !== 'HEAD') return 'rest';
  if (accept === EVENT_STREAM || STREAM.test(url ?? '')) return 'sse';
  return accept === undefined ? 'rest' : readAccept(accept);
}

/**
 * What `Accept` (RFC 9110 §12.5.1) likes best: a stream only where it is named. Of what is liked as much, a named type goes
 * before a range, and of named ones the first.
 */
function readAccept(accept: string): 'rest' | 'sse' | 'either' {
  const lower = accept.toLowerCase();
  if (!lower.includes(EVENT_STREAM)) return 'rest';
  let stream = 0;
  let others = 0;
  let isBehind = false;
  for (const range of lower.replace(QUOTED, '""').split(',')) {
    const [name = '', ...parameters] = range.split(';');
    const type = name.trim();
    const quality = Number(QUALITY.exec(parameters.join(';'))?.[1] ?? 1);
    if (type === EVENT_STREAM && quality > stream) {
      stream = quality;
      isBehind = others === quality;
    } else if (OTHERS.has(type)) {
      others = Math.max(others, quality);
    } else if (WILDCARDS.has(type)) {
      // Of the same quality it is less than a stream that is named.
      others = Math.max(others, quality - 0.0001);
    }
  }
  if (stream === 0) return 'rest';
  return stream > others || (stream === others && !isBehind) ? 'sse' : 'either';
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
      get: (wish: string) =>
        (wish === 'either' ? (handlers.get('rest') ?? handlers.get('sse')) : handlers.get(wish)) ?? null,
      set: (transport: string, handler: Handler) => void handlers.set(transport, handler),
    };
  },
  validate: () => {},
  deriveConstraint: wishOf,
  mustMatchWhenDerived: false,
};
