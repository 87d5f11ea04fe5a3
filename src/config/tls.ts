import type { ServerConfig } from './config.ts';
import { isLoopback } from './loopback.ts';

/** Whether the port speaks TLS alone. */
export function isSecure({ tls }: Pick<ServerConfig, 'tls'>): boolean {
  return tls !== undefined && tls !== false;
}

/** Whether the port speaks plain HTTP and TLS: on a loopback address, unless `tls` says otherwise. */
export function sharesPort({ tls, host }: Pick<ServerConfig, 'tls' | 'host'>): boolean {
  return tls === undefined && isLoopback(host);
}
