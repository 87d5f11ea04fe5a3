import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunningServer } from '../../src/boot/lifecycle/running-server.ts';
import type { Json } from './frames.ts';
import { type Answer, type AskOptions, ask } from './http.ts';
import { Mailbox } from './mailbox.ts';

/** The program that is started; another build where the environment names one. */
const CLI = process.env.TABLECAST_TEST_PROGRAM ?? fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const START_TIMEOUT = 60_000;
const STOP_TIMEOUT = 60_000;

/** The schema of the first page of the README. */
export const MESSAGE_SCHEMA = `type Message @table(database: "realtime-demo") @export(
    rest: true
    ws: true
) {
    id: ID! @primaryKey
    title: String!
    content: String!
}
`;

/** The four lines of the README, on any free port and on loopback alone. */
export const BASE_CONFIG = `rest: true
ws: true
schemas:
  - schema.graphql
port: 0
host: 127.0.0.1
`;

export interface AppOptions {
  readonly schema?: string;
  /** The whole config.yaml; `BASE_CONFIG` plus lines of the test's own is the usual form. */
  readonly config?: string;
  /** Name of the application folder, from which the URL prefix comes. */
  readonly name?: string;
  /** An existing application folder instead of a new one; it is left in place. */
  readonly dir?: string;
  /** More files of the application: relative path → content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * With TEST_IN_PROCESS=1 servers run from the sources in the process of the tests, so that their lines are counted; what
 * a test finds out about the process itself is then not to be had.
 */
export const IN_PROCESS = process.env.TEST_IN_PROCESS === '1';

/** Starts the built program on a new application folder and waits until it listens. */
export async function startServer(options: AppOptions = {}): Promise<TestServer> {
  const server = new TestServer(await makeApp(options), options);
  try {
    await server.start();
  } catch (error) {
    await server.discard();
    throw error;
  }
  return server;
}

export interface AppFolder {
  readonly dir: string;
  /** The temporary folder around it, to be removed at the end. */
  readonly root: string | undefined;
}

/** Writes an application folder into a temporary folder of its own. */
export async function makeApp(options: AppOptions = {}): Promise<AppFolder> {
  if (options.dir !== undefined) return { dir: options.dir, root: undefined };
  const root = await mkdtemp(join(tmpdir(), 'tablecast-e2e-'));
  const dir = join(root, options.name ?? 'my-app');
  const files = {
    'schema.graphql': options.schema ?? MESSAGE_SCHEMA,
    'config.yaml': options.config ?? BASE_CONFIG,
    ...options.files,
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
  return { dir, root };
}

/** Runs the built program to its end: for failures at start, and for commands that end by themselves. */
export async function runToExit(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Exit> {
  const child = launch(args, env);
  const out = collect(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT);
  const { code, signal } = await exited(child);
  clearTimeout(timer);
  return { code, signal, ...out };
}

/** As `runToExit(['start', dir])` on a new application folder that is removed afterwards. */
export async function startToExit(options: AppOptions): Promise<Exit> {
  const app = await makeApp(options);
  try {
    return await runToExit(['start', app.dir, ...(options.args ?? [])], options.env);
  } finally {
    if (app.root !== undefined) await rm(app.root, { recursive: true, force: true });
  }
}

/** The built program in its own process. Use it with `await using`: it is stopped and its folder removed. */
export class TestServer implements AsyncDisposable {
  readonly dir: string;
  readonly #root: string | undefined;
  readonly #options: AppOptions;
  /** Every line of the log since the first start. */
  logs = new Mailbox<Json>('log');
  stdout = '';
  stderr = '';
  /** `http://127.0.0.1:41234`, or https. */
  origin = '';
  port = 0;
  #child: ChildProcess | undefined;
  #exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }> | undefined;
  #running: RunningServer | undefined;

  constructor(app: AppFolder, options: AppOptions) {
    this.dir = app.dir;
    this.#root = app.root;
    this.#options = options;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the server is not running');
    return pid;
  }

  /** `Message/msg-1?select=id` → its HTTP address. */
  url(path: string): string {
    return `${this.origin}/${this.#options.name ?? 'my-app'}/${path}`;
  }

  /** The same address for a WebSocket. */
  wsUrl(path: string): string {
    return this.url(path).replace(/^http/, 'ws');
  }

  /** A request below the application's prefix. */
  ask(method: string, path: string, options: AskOptions = {}): Promise<Answer> {
    return ask(method, this.url(path), options);
  }

  /** Stores a record by PUT and gives the answer; throws unless it was stored. */
  async put(path: string, record: Json): Promise<Answer> {
    const answer = await this.ask('PUT', path, { json: record });
    if (answer.status !== 200 && answer.status !== 201) throw new Error(`PUT ${path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  /** The sum of all samples of /metrics whose line matches; throws when there is none. */
  async metric(line: RegExp): Promise<number> {
    const { text } = await ask('GET', `${this.origin}/metrics`);
    const samples = text.split('\n').filter((found) => !found.startsWith('#') && line.test(found));
    if (samples.length === 0) throw new Error(`no metric matches ${line}`);
    return samples.reduce((sum, found) => sum + Number(found.slice(found.lastIndexOf(' ') + 1)), 0);
  }

  /** Open WebSocket connections, as /metrics tells. */
  openSockets(): Promise<number> {
    return this.metric(/^tablecast_\w*connections\w*\{[^}]*"ws"/);
  }

  async start(): Promise<void> {
    if (IN_PROCESS) return this.#startHere();
    const child = launch(['start', this.dir, ...(this.#options.args ?? [])], this.#options.env ?? {});
    this.#child = child;
    this.#exit = exited(child);
    const logs = new Mailbox<Json>('log');
    this.logs = logs;
    readLines(child, (line) => {
      this.stdout += `${line}\n`;
      logs.push(parseLine(line));
    });
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr += chunk;
    });
    void this.#exit.then(({ code, signal }) => logs.end(`process exited with ${code ?? signal}: ${this.stderr}`));
    const ready = await logs.next((line) => line.msg === 'listening', START_TIMEOUT);
    this.origin = String(ready.url).replace(/\/$/, '');
    this.port = Number(new URL(this.origin).port);
  }

  /** Asks it to stop (SIGTERM) and expects that it ends by itself, with code 0. */
  async stop(): Promise<void> {
    await this.#running?.close();
    this.#running = undefined;
    const child = this.#child;
    if (child === undefined || this.#exit === undefined) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT);
    const { code, signal } = await this.#exit;
    clearTimeout(timer);
    this.#child = undefined;
    if (code !== 0) throw new Error(`the server ended with ${code ?? signal} after SIGTERM; stderr: ${this.stderr}`);
  }

  async #startHere(): Promise<void> {
    const { startServer: startHere } = await import('../../src/boot/boot.ts');
    const env = { ...process.env, NODE_ENV: 'test', ...this.#options.env };
    this.#running = await startHere({ dir: this.dir, env, allowDestructive: false });
    this.origin = this.#running.url;
    this.port = Number(new URL(this.origin).port);
  }

  /** Ends it as a crash would (SIGKILL). */
  async kill(): Promise<void> {
    await this.#running?.close();
    this.#running = undefined;
    this.#child?.kill('SIGKILL');
    await this.#exit;
    this.#child = undefined;
  }

  /** Starts it again on the same folder and the same port; stops it first when it runs. */
  async restart(): Promise<void> {
    await this.stop();
    const path = join(this.dir, 'config.yaml');
    const config = await readFile(path, 'utf8');
    await writeFile(path, config.replace(/^port: 0$/m, `port: ${this.port}`));
    await this.start();
  }

  /** Ends it whatever its state, and removes the folder. */
  async discard(): Promise<void> {
    await this.kill();
    if (this.#root !== undefined) await rm(this.#root, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.discard();
    }
  }
}

function launch(args: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, NODE_ENV: 'test', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function exited(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    // `close` and not `exit`: everything it wrote has been read by then.
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const out = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    out.stdout += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    out.stderr += chunk;
  });
  return out;
}

function readLines(child: ChildProcess, online: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) online(line);
  });
}

function parseLine(line: string): Json {
  try {
    return JSON.parse(line) as Json;
  } catch {
    return { msg: line, unparsed: true };
  }
}
