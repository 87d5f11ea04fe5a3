import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../config/config.ts';

/** Where the server listens, with the port that was taken. */
export function urlOf(server: FastifyInstance, { host, tls }: ServerConfig): string {
  const { port } = server.server.address() as AddressInfo;
  return `${tls === undefined ? 'http' : 'https'}://${formatHost(host)}:${port}`;
}

/** An IPv6 address stands in brackets in a URL. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
