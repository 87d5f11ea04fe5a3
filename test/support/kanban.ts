import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServer, type TestServer } from './app.ts';
import { SECRET } from './tokens.ts';

export const KANBAN: string = fileURLToPath(new URL('../../apps/kanban', import.meta.url));

/** Starts the kanban of `apps/` in a folder of its own. */
export async function startKanban(): Promise<TestServer> {
  const files: Record<string, string> = {};
  for (const name of await readdir(join(KANBAN, 'web'))) {
    files[`web/${name}`] = await readFile(join(KANBAN, 'web', name), 'utf8');
  }
  const limits = 'limits:\n  signups_per_minute: 100\n  logins_per_minute: 100\n';
  return startServer({
    name: 'kanban',
    schema: await readFile(join(KANBAN, 'schema.graphql'), 'utf8'),
    config: `${await readFile(join(KANBAN, 'config.yaml'), 'utf8')}\nport: 0\nhost: 127.0.0.1\n${limits}`,
    files,
    env: { JWT_SECRET: SECRET },
  });
}
