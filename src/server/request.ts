import type { IncomingMessage } from 'node:http';
import type { FastifyRequest, FastifyServerOptions } from 'fastify';
import { ANONYMOUS, type Identity } from '../auth/identity.ts';
import { AppError } from '../errors.ts';
import type { TransportName } from '../schema/plan.ts';
import { MEDIA_TYPE_NAMES } from './content/formats.ts';

const STREAM = /[?&]stream=sse(?:&|$)/;
const EVENT_STREAM = 'text/event-stream';
const QUOTED = /"(?:[^"\\]|\\.)*"/g;
/** Quality of a media range among its parameters (RFC 9110 §12.4.2). */
const QUALITY = /(?:^|;)\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)/;
/** Media types of records, and the ranges that include one of them. */
const OTHERS: ReadonlySet<string> = new Set(MEDIA_TYPE_NAMES);
const WILDCARDS: ReadonlySet<string> = new Set(['*/*', ...MEDIA_TYPE_NAMES.map((name) => name.replace(/\/.*/, '/*'))]);

type RequestHead = Pick<IncomingMessage, 'method' | 'headers' | 'url'> & Partial<Pick<IncomingMessage, 'httpVersion'>>;

/** Transport that a request prefers. `either`: REST if the address has it, else a stream. */
type Preference = TransportName | 'either';

/** Returns the transport that a request asks for. The same URL serves all three. */
export function transportOf(request: RequestHead): TransportName {
  const preference = preferenceOf(request);
  return preference === 'either' ? 'rest' : preference;
}

/** True when the response to a request may be a stream. */
export function mayStream(request: RequestHead): boolean {
  return preferenceOf(request) !== 'rest';
}

function preferenceOf({ method, headers, url, httpVersion }: RequestHead): Preference {
  const { upgrade, accept } = headers;
  // HTTP/1.0 has no upgrades (RFC 9110 §7.8).
  if (upgrade !== undefined && upgrade.toLowerCase() === 'websocket' && httpVersion !== '1.0') return 'ws';
  if (method !== 'GET' && method !== 'HEAD') return 'rest';
  if (accept === EVENT_STREAM || STREAM.test(url ?? '')) return 'sse';
  return accept === undefined ? 'rest' : readAccept(accept);
}

/**
 * Negotiates by `Accept` (RFC 9110 §12.5.1): a stream only where `text/event-stream` is named. At equal quality a named
 * type wins over a range, and of named types the first.
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
      // At equal quality a range ranks below a stream that is named.
      others = Math.max(others, quality - 0.0001);
    }
  }
  if (stream === 0) return 'rest';
  return stream > others || (stream === others && !isBehind) ? 'sse' : 'either';
}

type Strategies = NonNullable<NonNullable<FastifyServerOptions['routerOptions']>['constraints']>;
type Strategy = NonNullable<Strategies[string]>;
type Handler = NonNullable<ReturnType<ReturnType<Strategy['storage']>['get']>>;

/** Constraint by which routes with `constraints: { transport }` share a URL: a transport without a route is a 404. */
export const transportConstraint: Strategy = {
  name: 'transport',
  storage: () => {
    const handlers = new Map<string, Handler>();
    return {
      get: (preference: string) =>
        (preference === 'either' ? (handlers.get('rest') ?? handlers.get('sse')) : handlers.get(preference)) ?? null,
      set: (transport: string, handler: Handler) => void handlers.set(transport, handler),
    };
  },
  validate: () => {},
  deriveConstraint: preferenceOf,
  mustMatchWhenDerived: false,
};

/** Returns the raw query string of a request, percent-encoded, without its question mark. */
export function queryOf({ raw: { url } }: Pick<FastifyRequest, 'raw'>): string {
  const start = url?.indexOf('?') ?? -1;
  return start < 0 ? '' : (url as string).slice(start + 1);
}

/** Parses a query string: a repeated name has an array; names in `reserved` are left out. */
export function parseQuery(rawQuery: string, reserved: readonly string[]): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    if (reserved.includes(name)) continue;
    const before = query[name];
    query[name] = before === undefined ? value : [before, value].flat();
  }
  // Schema validators need a prototype, and `__proto__` is an own property here.
  return Object.defineProperties({}, Object.getOwnPropertyDescriptors(query));
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by authentication; null where authentication is off. Read it with `identityOf`. */
    identity: Identity | null;
  }
}

/** Returns the caller of a request: anonymous where authentication is off. */
export function identityOf(request: FastifyRequest): Identity {
  return request.identity ?? ANONYMOUS;
}

/** Reads `user_id`, which nothing verifies, of an address where authentication is off. Throws INVALID_QUERY. */
export function readUserId(query: string, maxChars: number): string | undefined {
  const [user, another] = new URLSearchParams(query).getAll('user_id');
  if (user === undefined || user === '') return undefined;
  if (another !== undefined) throw new AppError('INVALID_QUERY', 'user_id is given twice.');
  if (user.length > maxChars) throw new AppError('INVALID_QUERY', `user_id may have ${maxChars} characters at most.`);
  return user;
}
