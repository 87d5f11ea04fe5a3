import type { ServerConfig } from './config.ts';
import { isLoopback } from './loopback.ts';

/** True when the port accepts TLS only. */
export function isSecure({ tls }: Pick<ServerConfig, 'tls'>): boolean {
  return tls !== undefined && tls !== false;
}

/** True when the port accepts plain HTTP and TLS: on a loopback address, unless `tls` is configured. */
export function sharesPort({ tls, host }: Pick<ServerConfig, 'tls' | 'host'>): boolean {
  return tls === undefined && isLoopback(host);
}
