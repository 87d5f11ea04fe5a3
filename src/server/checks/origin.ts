import type { FastifyRequest } from 'fastify';
import type { CorsConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { mayStream, transportOf } from '../transport-constraint.ts';

const HOST = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** Whether a request wants a stream: every upgrade, whatever it is to, and Server-Sent Events. */
export function opensStream({ raw }: FastifyRequest): boolean {
  return raw.headers.upgrade !== undefined || transportOf(raw) !== 'rest';
}

/** Whether a request may be answered with a stream, so that it is looked at which page sends it. */
export function mayOpenStream({ raw }: FastifyRequest): boolean {
  return raw.headers.upgrade !== undefined || mayStream(raw);
}

/**
 * Whether the page that sends a request may open a stream: it is of the same origin as the server, as the client sees it,
 * or of a configured one. Browsers do not ask before they open a WebSocket to another site, and they send its cookies
 * along. Texts are compared whole (RFC 6454 §5): `null`, prefixes and suffixes are other origins.
 */
export function makeOriginCheck({ origins }: CorsConfig): (request: FastifyRequest) => boolean {
  const listed = new Set(origins);
  return (request) => {
    const { origin } = request.raw.headers;
    return origin === undefined || listed.has('*') || listed.has(origin) || origin === ownOrigin(request);
  };
}

/**
 * Whether a page is of the server's own name and port, under another scheme: as a rule TLS ends at a proxy in front, which
 * nobody has told the server.
 */
export function isOwnBehindTls(request: FastifyRequest): boolean {
  return request.raw.headers.origin === ownOrigin(request)?.replace(/^http:/, 'https:');
}

/** As a browser would write it; where a proxy is trusted, as the proxy says. */
function ownOrigin({ protocol, host }: FastifyRequest): string | undefined {
  if ((protocol !== 'http' && protocol !== 'https') || !HOST.test(host)) return undefined;
  const url = `${protocol}://${host}`;
  return URL.canParse(url) ? new URL(url).origin : undefined;
}

export function forbiddenOrigin({ raw }: FastifyRequest): AppError {
  return new AppError(
    'FORBIDDEN_ORIGIN',
    `Pages of ${String(raw.headers.origin).slice(0, 100)} may not open streams here. Origins other than the server's own are listed in cors.origins of config.yaml; behind a proxy that ends TLS, trust_proxy is needed.`,
  );
}
