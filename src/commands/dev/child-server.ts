import { type ChildProcess, spawn } from 'node:child_process';
import { type Started, SUPERVISED } from './supervised.ts';

export interface ChildOptions {
  /** Of `tablecast start`. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Called when it ends without having been stopped. */
  onEnd(how: string): void;
}

/** `tablecast start` in a process of its own, with the output of this one. */
export class ChildServer {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #stopping = false;

  constructor({ args, env, onEnd }: ChildOptions) {
    // The channel is how it is stopped: a signal from the terminal reaches it anyway, and a second one would end it.
    this.#child = spawn(process.execPath, [...process.execArgv, String(process.argv[1]), 'start', ...args], {
      env: { ...env, [SUPERVISED]: '1' },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    this.#ended = new Promise((done) => {
      this.#child.once('exit', (code, signal) => {
        done();
        if (!this.#stopping) onEnd(signal ?? `exit code ${code}`);
      });
    });
  }

  /** Resolves with the URL when it listens, with undefined when it ended before that. */
  started(): Promise<string | undefined> {
    const listening = new Promise<string>((done) => {
      this.#child.once('message', (message) => done((message as Started).url));
    });
    return Promise.race([listening, this.#ended.then(() => undefined)]);
  }

  /** Resolves when it has ended; it is killed when that takes longer than `timeout`. */
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

/** How long the modules of an application may take to load before nobody waits for them any more. */
const CHECK_TIMEOUT = 30_000;

/** `tablecast check` in a process of its own: what it has found, or undefined. */
export async function checkInChild(dir: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const child = spawn(process.execPath, [...process.execArgv, String(process.argv[1]), 'check', dir], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: CHECK_TIMEOUT,
    killSignal: 'SIGKILL',
  });
  let told = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
  return code === 0 ? undefined : told.trim() || 'the modules could not be loaded';
}
