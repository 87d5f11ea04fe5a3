import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ServerConfig } from '../config/config.ts';

/** Throws what listening would throw, before anything is changed in a store for a server that cannot start. */
export async function tryPort({ host, port }: Pick<ServerConfig, 'host' | 'port'>): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  server.listen({ host, port });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}
