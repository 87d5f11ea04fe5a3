import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import type { ServerConfig } from '../config/config.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import type { Allowance } from '../store/store.ts';
import { checkAllowance } from './allowance.ts';

/**
 * Checks everything that would make the start fail, before any store is changed, and creates the data directories. Returns
 * notices for the log. Throws the error of listening when the port is not free, or StoreOpenError for an allowed schema
 * change that does not exist.
 */
export async function prepare(
  config: ServerConfig,
  apps: readonly ProjectApp[],
  allowed: Allowance,
): Promise<readonly string[]> {
  await tryPort(config);
  const notices = await checkAllowance(apps, allowed);
  for (const { config: app } of apps) mkdirSync(app.dataDir, { recursive: true });
  return notices;
}

/** Throws what listening would throw. */
export async function tryPort({ host, port }: Pick<ServerConfig, 'host' | 'port'>): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  server.listen({ host, port });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}
