// Child processes of the benchmark: pinned to a core, with enough files, and never left behind.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export const CORE_OF_LOAD = 0;
export const CORE_OF_SERVER = 1;
const FILES = 20_000;
const children = new Set();
const pins = canPin();

/** Starts `node ...args` pinned to a core; the pid is node's own, since shell and taskset replace themselves. */
export function startNode(args, { core, ipc = false, cwd = undefined }) {
  const pin = pins ? `taskset -c ${core}` : '';
  const command = `ulimit -n ${FILES} 2>/dev/null; exec ${pin} "$0" "$@"`;
  const stdio = ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])];
  const child = spawn('sh', ['-c', command, process.execPath, ...args], { stdio, cwd });
  child.output = '';
  const keep = (chunk) => {
    child.output = (child.output + chunk).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

export async function stopNode(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 5000);
  await gone;
  clearTimeout(force);
}

export function killAll() {
  for (const child of children) child.kill('SIGKILL');
}

export function pinSelf(core) {
  if (pins) execFileSync('taskset', ['-acp', String(core), String(process.pid)], { stdio: 'ignore' });
  return pins;
}

function canPin() {
  try {
    execFileSync('taskset', ['-c', `${CORE_OF_LOAD},${CORE_OF_SERVER}`, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export function findPort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Resident memory of a process in KB, as the kernel counts it. */
export function readRss(pid) {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m);
  if (line === null) throw new Error(`no VmRSS for process ${pid}`);
  return Number(line[1]);
}

/** Processor time that a process has used so far in ms, as the kernel counts it (in steps of 10 ms). */
export function readCpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Processor time of a server and the time that went by while some work was done, both in ms. */
export async function cpuDuring({ pid }, work) {
  const [cpu, from] = [readCpu(pid), performance.now()];
  await work();
  return { cpu: readCpu(pid) - cpu, ms: performance.now() - from };
}

/** Asks a URL until it answers 200; the wait between two asks is `everyMs`. */
export async function waitFor200(url, { everyMs, timeoutMs, child }) {
  const end = performance.now() + timeoutMs;
  while (performance.now() < end) {
    if (child.exitCode !== null) throw new Error(`the server stopped with ${child.exitCode}: ${child.output}`);
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
      await response.arrayBuffer();
      if (response.status === 200) return;
    } catch {
      // Not listening yet.
    }
    await wait(everyMs);
  }
  throw new Error(`${url} did not answer 200 within ${timeoutMs} ms: ${child.output}`);
}
