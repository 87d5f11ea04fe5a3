import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from './free-port.ts';
import { ROOT, readPage } from './pages.ts';
import { until } from './wait.ts';

const WAIT = 120_000;
/** Files that the server reads when it starts. */
const RESTARTS = /\.(?:graphql|yaml|ts)$|^\.env$/;
const SERVED = /(?:localhost|127\.0\.0\.1):9996/;

/** Block of code of a page: what stands behind the three backticks, and the text. */
export interface Block {
  readonly language: string;
  /** `run`, `output`, `stream`, `file`, `append`: what the block is in the session. */
  readonly kind: string;
  /** `schema.graphql` of `file=schema.graphql`. */
  readonly name: string;
  readonly text: string;
  readonly line: number;
}

/** Returns the blocks of code of a page in their order. */
export function readBlocks(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(/^( *)```(\w*)([^\n]*)\n([\s\S]*?)^\1```$/gm)].map((match) => {
    const [, indent = '', language = '', info = '', block = ''] = match;
    const [kind = '', name = ''] = info.trim().split('=');
    const line = text.slice(0, match.index).split('\n').length;
    return {
      language,
      kind,
      name,
      line,
      text: indent === '' ? block : block.replaceAll(`\n${indent}`, '\n').trimStart(),
    };
  });
}

/** Folder of an application in which the blocks of one page are written and run, in one shell with one server. */
export class DocSession implements AsyncDisposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'tablecast-docs-'));
  readonly #dir = join(this.#root, 'my-app');
  readonly #ports: readonly number[];
  readonly #shell: ChildProcess;
  #server: ChildProcess | undefined;
  #isChanged = true;
  #output = '';
  #count = 0;
  #stream = '';
  /** What the last command printed. */
  last = '';

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
    mkdirSync(join(this.#dir, 'node_modules', '.bin'), { recursive: true });
    symlinkSync(ROOT, join(this.#dir, 'node_modules', 'tablecast'));
    const program = `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'dist', 'cli.js')}" "$@"\n`;
    writeFileSync(join(this.#dir, 'node_modules', '.bin', 'tablecast'), program, { mode: 0o755 });
    writeFileSync(join(this.#dir, 'package.json'), '{"name":"my-app","private":true,"type":"module"}\n');
    // Commands of pages have the progress of downloads at a terminal only.
    writeFileSync(join(this.#root, '.curlrc'), 'silent\nshow-error\n');
    this.#shell = spawn('bash', [], { cwd: this.#dir, env: this.#env(), detached: true, stdio: 'pipe' });
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) {
      stream?.on('data', (chunk) => {
        this.#output += String(chunk);
      });
    }
  }

  static async open(): Promise<DocSession> {
    return new DocSession([await freePort(), await freePort()]);
  }

  #env(): NodeJS.ProcessEnv {
    const path = `${join(this.#dir, 'node_modules', '.bin')}:${process.env.PATH}`;
    return { ...process.env, PATH: path, HOME: this.#root, NODE_ENV: '', CI: 'true', NO_COLOR: '1' };
  }

  /** The ports of this test in the place of those that pages name. */
  #place(text: string): string {
    return text.replaceAll('9996', String(this.#ports[0])).replaceAll('4000', String(this.#ports[1]));
  }

  write(name: string, text: string, isAppended = false): void {
    const path = join(this.#dir, name);
    mkdirSync(dirname(path), { recursive: true });
    (isAppended ? appendFileSync : writeFileSync)(path, this.#place(text));
    if (RESTARTS.test(name)) this.#isChanged = true;
  }

  /** Runs a block of commands to its end, with a server where the commands talk to one. */
  async run(command: string): Promise<void> {
    if (SERVED.test(command)) await this.#serve();
    const marker = `--- end of ${++this.#count} ---`;
    this.#output = '';
    this.#shell.stdin?.write(`${this.#place(command)}\necho; echo "${marker}"\n`);
    const text = await until(
      async () => this.#output,
      (found) => found.includes(marker),
      { timeout: WAIT, what: `the end of ${command}` },
    );
    this.last = text.slice(0, text.indexOf(marker)).trim();
  }

  /** Starts a command that goes on, such as a stream. */
  async begin(command: string): Promise<void> {
    if (SERVED.test(command)) await this.#serve();
    this.#stream = join(this.#root, `stream-${++this.#count}`);
    writeFileSync(this.#stream, '');
    this.#shell.stdin?.write(`{ ${this.#place(command).trim()}\n} >"${this.#stream}" 2>&1 &\n`);
    // A stream has begun when its first bytes are there; a program that prints nothing has to be waited for by the page.
    await until(
      async () => readFileSync(this.#stream, 'utf8'),
      (text) => text !== '',
      { timeout: WAIT, what: `the first output of ${command}` },
    );
  }

  /** Waits until the command that goes on has printed what fits. */
  async expectStream(fits: (text: string) => boolean, what: string): Promise<void> {
    await until(async () => readFileSync(this.#stream, 'utf8'), fits, { timeout: WAIT, what });
  }

  placed(text: string): string {
    return this.#place(text);
  }

  /** Starts the server, again where a file has changed since. */
  async #serve(): Promise<void> {
    if (this.#server !== undefined && !this.#isChanged) return;
    await this.#stop();
    this.#isChanged = false;
    const [port] = this.#ports;
    const cli = join(ROOT, 'dist', 'cli.js');
    const child = spawn(process.execPath, [cli, 'start', '.', '--port', String(port)], {
      cwd: this.#dir,
      env: this.#env(),
    });
    this.#server = child;
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += String(chunk)));
    await until(
      async () => {
        if (child.exitCode !== null) throw new Error(`the server of the page ended:\n${log}`);
        return fetch(`http://127.0.0.1:${port}/_/health/ready`).then(
          (response) => response.ok,
          () => false,
        );
      },
      (isReady) => isReady,
      { timeout: WAIT, what: 'the server of the page' },
    );
  }

  async #stop(): Promise<void> {
    const child = this.#server;
    this.#server = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    if (this.#shell.pid !== undefined) process.kill(-this.#shell.pid, 'SIGKILL');
    await once(this.#shell, 'close');
    rmSync(this.#root, { recursive: true, force: true });
  }
}
