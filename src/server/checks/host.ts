import type { IncomingMessage } from 'node:http';
import type { ServerConfig } from '../../config/config.ts';
import { isLoopback } from '../../config/loopback.ts';
import { AppError } from '../../errors.ts';

/** Name or address with an optional port: RFC 9110 §7.2. */
const HOST = /^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
/** Accepted spellings of Host that are cached: more than clients use, and a bound for a client that tries them all. */
const MAX_CACHED_HOSTS = 100;

export type HostCheck = (request: IncomingMessage) => boolean;

/**
 * Makes a check that a request names the server by one of its names; undefined where any name is accepted. It stops DNS
 * rebinding, where a page points its own name to this machine: the address is then right, but the name is not. A
 * forwarded name never counts here, since such a page can send that too.
 */
export function makeHostCheck({
  host,
  allowedHosts,
}: Pick<ServerConfig, 'host' | 'allowedHosts'>): HostCheck | undefined {
  if (!isLoopback(host) && allowedHosts.length === 0) return undefined;
  const names = new Set(allowedHosts);
  const known = new Set<string>();
  const accept = (written: string): boolean => {
    const name = HOST.exec(written)?.[1]?.toLowerCase();
    if (name === undefined || !(isLoopback(name) || name === '[::1]' || names.has(name))) return false;
    if (known.size < MAX_CACHED_HOSTS) known.add(written);
    return true;
  };
  return ({ headers, url }) => {
    // HTTP/2 has a field of its own for it, and may have both. Every browser sends at least one.
    const authority = headers[':authority'];
    const { host: written } = headers;
    const accepted =
      (written === undefined || known.has(written) || accept(written)) &&
      (authority === undefined || known.has(String(authority)) || accept(String(authority)));
    // Monitoring calls a server by its address; the response reveals nothing.
    return accepted || isHealth(url);
  };
}

/**
 * Normalizes a request with an absolute URL instead of a path, as clients send it to a proxy: its host replaces the Host
 * header (RFC 9112 §3.2.2), and the URL becomes the path.
 */
export function readAbsoluteForm(request: IncomingMessage): void {
  const [, host, path = ''] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(request.url ?? '') ?? [];
  if (host === undefined) return;
  request.url = path.startsWith('/') ? path : `/${path}`;
  if (request.headers.host !== undefined) request.headers.host = host;
}

/** True for the URLs of health checks, which reveal nothing but that the process runs. */
export function isHealth(url: string | undefined): boolean {
  return url === '/health/live' || url === '/health/ready';
}

export function misdirected(): AppError {
  return new AppError(
    'MISDIRECTED',
    'This server is not called by the name in Host. Names other than localhost are listed in allowed_hosts of config.yaml.',
  );
}
