// A load generator is a child process that answers commands: {id, command, args} in, {id, result | error} out.
import { fileURLToPath } from 'node:url';
import { CORE_OF_LOAD, startNode, stopNode } from '../lib/process.mjs';

/** In the benchmark's own process: starts a generator; `call` gives the answer to one command. */
export function startLoad(file) {
  const child = startNode([fileURLToPath(new URL(file, import.meta.url))], { core: CORE_OF_LOAD, ipc: true });
  const waiting = new Map();
  let next = 0;
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    error === undefined ? resolve(result) : reject(new Error(error));
  });
  child.once('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} stopped with ${code}: ${child.output}`));
  });
  return {
    call: (command, args = {}) =>
      new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        child.send({ id, command, args });
      }),
    stop: () => stopNode(child),
  };
}

/** In the generator's process: answers the commands. */
export function serveCommands(commands) {
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ id, command, args }) => {
    try {
      process.send({ id, result: await commands[command](args) });
    } catch (error) {
      process.send({ id, error: error.message });
    }
  });
}

// Both generators must speak of the same time: the monotonic clock of the machine, in microseconds.
const offset = Number(process.hrtime.bigint()) / 1000 - performance.now() * 1000;

export function nowUs() {
  return offset + performance.now() * 1000;
}

/** Processor time of this process since `from`, as a share of one core. */
export function measureCpu() {
  const usage = process.cpuUsage();
  const from = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(usage);
    return (user + system) / 1000 / (performance.now() - from);
  };
}
