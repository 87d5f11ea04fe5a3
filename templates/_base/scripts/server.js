import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(import.meta.resolve('tablecast/cli'));
const app = fileURLToPath(new URL('..', import.meta.url));

/**
 * Starts the application for a test, on a free port and with records of its own. Resolves with its address and with
 * functions: `seed()` loads the folder `seed`, `stop()` ends the server and removes its records.
 */
export async function startServer() {
  const data = await mkdtemp(join(tmpdir(), 'tablecast-test-'));
  const env = { JWT_SECRET: 'only-for-tests-0123456789-0123456789', ...process.env, DATA_DIR: data };
  const run = (command, ...args) =>
    spawn(process.execPath, [program, command, app, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const server = run('start', '--port', '0');
  const url = await readUrl(server.stdout);
  return {
    url,
    async seed() {
      const [code] = await once(run('seed'), 'exit');
      if (code !== 0) throw new Error(`tablecast seed has ended with exit code ${code}`);
    },
    async stop() {
      server.kill();
      await once(server, 'exit');
      await rm(data, { recursive: true });
    },
  };
}

/** The address of the application, from the log of the server. */
async function readUrl(log) {
  for await (const line of createInterface({ input: log })) {
    const entry = JSON.parse(line);
    if (entry.msg !== 'listening') continue;
    // What is not read would fill the pipe, and stop the server.
    log.resume();
    return `${entry.url}/${entry.apps[0]}`;
  }
  throw new Error('the server has ended');
}
