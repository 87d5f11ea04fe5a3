import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems give to listeners on port 0 and to outgoing connections, from 32768 or 49152 on. */
const [FIRST, LAST] = [10_000, 32_000];
const MAX_ATTEMPTS = 100;

const given = new Set<number>();

/**
 * Returns a port for a program that has to be told one. No other program takes it before that one listens: it is given
 * once in a process, at random, and no listener on port 0 gets it.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`none of ${MAX_ATTEMPTS} ports between ${FIRST} and ${LAST} is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
