import type { ServerConfig } from './config.ts';

/** True for 127.0.0.0/8, ::1 and localhost, to which other machines cannot connect. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** True for an address that stands for all of the machine: 0.0.0.0, ::, and other ways to write them. */
export function isUnspecified(host: string): boolean {
  const url = `http://${formatHost(host)}`;
  return URL.canParse(url) && ['0.0.0.0', '[::]'].includes(new URL(url).hostname);
}

/** Returns the address by which this machine reaches a server that listens on `host`. */
export function localHostOf(host: string): string {
  if (!isUnspecified(host)) return host;
  return host.includes(':') ? '::1' : '127.0.0.1';
}

/** True when only clients on this machine can send requests. A trusted proxy forwards requests of other machines. */
export function isPrivate({ host, trustProxy }: Pick<ServerConfig, 'host' | 'trustProxy'>): boolean {
  return isLoopback(host) && !trustProxy;
}

/** Formats the host for a URL: an IPv6 address in brackets. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** True when the port accepts TLS only. */
export function isSecure({ tls }: Pick<ServerConfig, 'tls'>): boolean {
  return tls !== undefined && tls !== false;
}

/** True when the port accepts plain HTTP and TLS: on a loopback address, unless `tls` is configured. */
export function sharesPort({ tls, host }: Pick<ServerConfig, 'tls' | 'host'>): boolean {
  return tls === undefined && isLoopback(host);
}
