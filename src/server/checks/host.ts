import type { IncomingMessage } from 'node:http';
import type { ServerConfig } from '../../config/config.ts';
import { isLoopback } from '../../config/loopback.ts';
import { AppError } from '../../errors.ts';

/** A name or an address, then perhaps a port: RFC 9110 §7.2. */
const HOST = /^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
/** Spellings of names that were right: more than anybody uses, and few enough for anybody who tries them all. */
const MOST_KNOWN = 100;

export type HostCheck = (request: IncomingMessage) => boolean;

/**
 * Whether a request calls the server by one of its names; undefined where any will do. It is what keeps a page from
 * having its own name point to this machine (DNS rebinding): the address is then ours, but the name is not. A forwarded
 * name never counts here, since such a page may send that too.
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
    if (known.size < MOST_KNOWN) known.add(written);
    return true;
  };
  return ({ headers, url }) => {
    // HTTP/2 has its own field for it, and may have both. No browser sends neither.
    const authority = headers[':authority'];
    const { host: written } = headers;
    const accepted =
      (written === undefined || known.has(written) || accept(written)) &&
      (authority === undefined || known.has(String(authority)) || accept(String(authority)));
    // Those who watch over a server call it by its address; there is nothing to be learned.
    return accepted || isHealth(url);
  };
}

/**
 * Of a request with a whole URL instead of a path, as a proxy would send it: takes the name from there, whatever Host says
 * (RFC 9112 §3.2.2), and leaves the path.
 */
export function readAbsoluteForm(request: IncomingMessage): void {
  const [, host, path = ''] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(request.url ?? '') ?? [];
  if (host === undefined) return;
  request.url = path.startsWith('/') ? path : `/${path}`;
  if (request.headers.host !== undefined) request.headers.host = host;
}

/** Whether a URL is one of those that tell nothing but that the process is there. */
export function isHealth(url: string | undefined): boolean {
  return url === '/health/live' || url === '/health/ready';
}

export function misdirected(): AppError {
  return new AppError(
    'MISDIRECTED',
    'This server is not called by the name in Host. Names other than localhost are listed in allowed_hosts of config.yaml.',
  );
}
