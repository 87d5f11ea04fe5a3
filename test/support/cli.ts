import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Exit } from './app.ts';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const TIMEOUT = 20_000;

type Env = Readonly<Record<string, string>>;

/** Runs a command of the built program to its end, with that on its stdin. */
export function runCommand(args: readonly string[], input = '', env: Env = {}): Promise<Exit> {
  return collect([process.execPath, CLI, ...args], env, (child) => child.stdin?.end(input));
}

/**
 * As `runCommand`, but at a terminal of its own (script of util-linux), at which each answer is typed when its question
 * is there. What the terminal shows comes as stdout.
 */
export function runAtTerminal(
  args: readonly string[],
  answers: readonly (readonly [question: string, answer: string])[],
): Promise<Exit> {
  // With `exec` the command takes the place of the shell: of a shell that stays, Ctrl-C would be the end, and its
  // exit status, not the command's, would be reported (dash stays, bash does not).
  const command = `exec ${[process.execPath, CLI, ...args].map((word) => `'${word}'`).join(' ')}`;
  // On a build server no command asks, not even at a terminal.
  return collect(['script', '-qec', command, '/dev/null'], { CI: '' }, (child) => {
    const left = [...answers];
    let shown = '';
    child.stdout?.on('data', (chunk) => {
      shown += String(chunk);
      const [next] = left;
      if (next === undefined || !shown.includes(next[0])) return;
      left.shift();
      shown = '';
      child.stdin?.write(next[1]);
    });
  });
}

function collect(
  [program = '', ...args]: readonly string[],
  env: Env,
  talk: (child: ReturnType<typeof spawn>) => void,
): Promise<Exit> {
  const all = { ...process.env, NODE_ENV: 'test', ...env };
  const child = spawn(program, args, { env: all, stdio: 'pipe', timeout: TIMEOUT });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      out[name] += chunk;
    });
  }
  // A command that ends without reading closes the pipe.
  child.stdin.on('error', () => {});
  talk(child);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...out }));
  });
}
