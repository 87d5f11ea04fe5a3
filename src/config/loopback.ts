import type { ServerConfig } from './config.ts';

/** 127.0.0.0/8, ::1 and localhost: nobody on another machine can connect. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Nobody but this machine can ask. Behind a proxy whoever it lets through is on this machine, too. */
export function isPrivate({ host, trustProxy }: Pick<ServerConfig, 'host' | 'trustProxy'>): boolean {
  return isLoopback(host) && !trustProxy;
}

/** The host as it stands in a URL: an IPv6 address in brackets. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
