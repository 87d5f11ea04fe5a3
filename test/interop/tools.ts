import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, test } from 'vitest';

const START_MS = 20_000;

/** Where a program is that a package of the system brings; undefined where it is not installed. */
function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** A group of tests with a program of the system: skipped with its name where it is missing, and never in CI. */
export function withProgram(name: string, body: (path: string) => void): void {
  const path = findProgram(name);
  if (path !== undefined) describe(name, () => body(path));
  else if (process.env.CI === 'true') {
    test(`${name} is installed`, () => {
      throw new Error(`${name} is missing: .ci/run installs it`);
    });
  } else describe.skip(`${name}: is not installed here, apt-get install it to run this`, () => body(''));
}

/** A program that listens on a port, with a folder of its own. Use it with `await using`. */
export class Program implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'tablecast-interop-'));
  #child: ChildProcess | undefined;
  #output = '';

  async start(path: string, args: readonly string[], port: number, env = process.env): Promise<void> {
    const child = spawn(path, args, { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (this.#output += String(chunk)));
    const end = performance.now() + START_MS;
    while (!(await answers(port))) {
      if (child.exitCode !== null || performance.now() > end) throw new Error(`${path} did not start: ${this.#output}`);
      await pause(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.once('connect', () => socket.destroy());
    socket.once('error', () => resolve(false));
  });
}

export interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs a program to its end, with this as its input. */
export function run(
  path: string,
  args: readonly string[],
  { cwd, input }: { cwd?: string; input?: string } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', NO_COLOR: '1' };
    const child = execFile(path, args, { cwd, env, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
    child.stdin?.end(input);
  });
}
