import type { FastifyRequest } from 'fastify';
import type { CorsConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { mayStream, transportOf } from '../request.ts';

const HOST = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** True when a request asks for a stream: any upgrade, whatever its protocol, and Server-Sent Events. */
export function opensStream({ raw }: FastifyRequest): boolean {
  return raw.headers.upgrade !== undefined || transportOf(raw) !== 'rest';
}

/** True when the response may be a stream, so that the origin of the request is checked. */
export function mayOpenStream({ raw }: FastifyRequest): boolean {
  return raw.headers.upgrade !== undefined || mayStream(raw);
}

/**
 * Makes a check that the page that sends a request may open a stream: its origin is that of the server, as the client sees
 * it, or a configured one. Browsers send no preflight before they open a WebSocket to another site, and they send its
 * cookies along. Origins are compared as whole strings (RFC 6454 §5): `null`, prefixes and suffixes are other origins.
 */
export function makeOriginCheck({ origins }: CorsConfig): (request: FastifyRequest) => boolean {
  const listed = new Set(origins);
  return (request) => {
    const { origin } = request.raw.headers;
    return origin === undefined || listed.has('*') || listed.has(origin) || origin === ownOrigin(request);
  };
}

/**
 * True when a page has the server's own name and port but another scheme. As a rule TLS then ends at a proxy in front, and
 * `trust_proxy` is not set.
 */
export function isOwnBehindTls(request: FastifyRequest): boolean {
  return request.raw.headers.origin === ownOrigin(request)?.replace(/^http:/, 'https:');
}

/** Returns the server's origin as a browser writes it; behind a trusted proxy, as the proxy reports it. */
function ownOrigin({ protocol, host }: FastifyRequest): string | undefined {
  if ((protocol !== 'http' && protocol !== 'https') || !HOST.test(host)) return undefined;
  const url = `${protocol}://${host}`;
  return URL.canParse(url) ? new URL(url).origin : undefined;
}

export function forbiddenOrigin({ raw }: FastifyRequest): AppError {
  return new AppError(
    'FORBIDDEN_ORIGIN',
    `Pages of ${String(raw.headers.origin).slice(0, 100)} may not open streams here. Origins other than the server's own are listed in cors.origins of config.yaml; behind a proxy that terminates TLS, trust_proxy is needed.`,
  );
}
