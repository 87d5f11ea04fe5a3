import { type ChildProcess, spawn } from 'node:child_process';
import { hasColors } from '../../server/operations/colors.ts';
import { FIRST_START, RESTART, type Started, SUPERVISED } from './supervised.ts';

export interface ChildOptions {
  /** Of `tablecast start`. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** True when it replaces a server whose banner was printed. */
  readonly isRestart: boolean;
  /** Called when the server ends without having been stopped. */
  onEnd(reason: string): void;
}

/** A `tablecast start` in a child process that writes to the output of this one. */
export class ChildServer {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #stopping = false;

  constructor({ args, env, isRestart, onEnd }: ChildOptions) {
    // Closing the IPC channel stops the server. Ctrl-C at the terminal reaches the child as well, and a second signal
    // would end it at once.
    this.#child = spawn(process.execPath, [...process.execArgv, String(process.argv[1]), 'start', ...args], {
      env: { ...env, [SUPERVISED]: isRestart ? RESTART : FIRST_START },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    this.#ended = new Promise((done) => {
      this.#child.once('exit', (code, signal) => {
        done();
        if (!this.#stopping) onEnd(signal ?? `exit code ${code}`);
      });
    });
  }

  /** Resolves with the URL when the server listens, with undefined when it ended before that. */
  started(): Promise<string | undefined> {
    const listening = new Promise<string>((done) => {
      this.#child.once('message', (message) => done((message as Started).url));
    });
    return Promise.race([listening, this.#ended.then(() => undefined)]);
  }

  /** Resolves when the server has ended. It is killed after `timeout` milliseconds. */
  async stop(timeout: number): Promise<void> {
    this.#stopping = true;
    if (this.#child.connected) this.#child.disconnect();
    const deadline = setTimeout(() => this.kill(), timeout);
    await this.#ended;
    clearTimeout(deadline);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Milliseconds that the modules of an application may take to load. */
const MAX_CHECK_MS = 30_000;

/** Runs `tablecast check` in a child process. Resolves with the errors that it reports, undefined for none. */
export async function checkInChild(dir: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const child = spawn(process.execPath, [...process.execArgv, String(process.argv[1]), 'check', dir], {
    // Its errors are written to the terminal of this process.
    env: hasColors(process.stderr, env) ? { ...env, FORCE_COLOR: '1' } : env,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: MAX_CHECK_MS,
    killSignal: 'SIGKILL',
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
  return code === 0 ? undefined : errors.trim() || 'the modules could not be loaded';
}
