import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import type { ServerConfig } from '../config/config.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import type { Allowance } from '../store/store.ts';
import { checkAllowance } from './allowance.ts';

/**
 * Checks what would stop the start, before anything is changed in a store, and creates the data directories. Returns
 * notices for the log. Throws what listening would throw, or StoreOpenError for a name that no schema change has.
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

async function tryPort({ host, port }: ServerConfig): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  server.listen({ host, port });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}
