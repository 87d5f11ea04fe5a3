import { mkdirSync } from 'node:fs';
import closeWithGrace from 'close-with-grace';
import { previewAll } from '../../boot/allowance.ts';
import { tryPort } from '../../boot/prepare.ts';
import { loadProject, type Project } from '../../boot/project.ts';
import { overrideServer } from '../../config/overrides.ts';
import { paintFor } from '../../server/operations/colors.ts';
import { checkTls } from '../../server/tls.ts';
import { askAllowance } from '../allowance.ts';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { type Arguments, parseArguments } from '../options.ts';
import { refreshTypes } from '../types/types-file.ts';
import { ChildServer, checkInChild } from './child-server.ts';
import { RestartPause } from './restart-pause.ts';
import { WatchedFiles, watchFiles } from './watch.ts';

/** Milliseconds beyond its own shutdown timeout after which a server is killed. */
const KILL_GRACE_MS = 5000;

/** `tablecast dev`: runs `start` in a child process, and restarts it after every change that can be served. */
export async function dev({ args, env }: Invocation): Promise<number> {
  const options = parseArguments(args, ['allow-destructive', 'port', 'host', 'json']);
  const supervisor = new Supervisor(options, env);
  const files = supervisor.files;
  const watcher = await watchFiles(files, (paths) => supervisor.changed(paths));
  closeWithGrace({ delay: false, logger: false, onSecondSignal: () => supervisor.kill() }, async ({ err }) => {
    if (err) report(describeFailure(err));
    await watcher.close();
    await supervisor.stop();
  });
  report(`watching ${files.root}`);
  supervisor.changed([]);
  return 0;
}

/** Keeps one server running. A new one replaces it only after everything that could stop its start was checked. */
class Supervisor {
  readonly files: WatchedFiles;
  readonly #args: Arguments;
  readonly #env: NodeJS.ProcessEnv;
  #server: ChildServer | undefined;
  /** The URL of the running server. A port that the system chose is kept over restarts, for the clients. */
  #url: URL | undefined;
  #shutdownTimeout = 0;
  /** Names of the schema changes that may lose data at the next start. */
  #allowed: readonly string[] = [];
  #work: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Of the last server that was started. */
  #project: Project | undefined;
  readonly #pause = new RestartPause();

  constructor(args: Arguments, env: NodeJS.ProcessEnv) {
    this.#args = args;
    this.#env = env;
    this.files = new WatchedFiles(args.dir);
  }

  /** Restarts the server for these files, after a restart that is under way. */
  changed(paths: readonly string[]): void {
    this.#enqueue(() => this.#restart(paths));
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work.then(task).catch((error) => report(describeFailure(error, this.#args.dir)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#server?.stop(this.#shutdownTimeout + KILL_GRACE_MS);
  }

  kill(): void {
    this.#server?.kill();
  }

  async #restart(paths: readonly string[]): Promise<void> {
    if (this.#stopped) return;
    if (paths.length > 0) report(`changed: ${paths.join(', ')}`);
    const project = await this.#load();
    if (project === undefined) {
      this.files.useAll();
      report(this.#server === undefined ? 'waiting for a change' : 'the server keeps running as it was');
      return;
    }
    this.files.use(project);
    this.#refresh(project);
    await this.#server?.stop(this.#shutdownTimeout + KILL_GRACE_MS);
    this.#shutdownTimeout = project.server.limits.shutdown;
    this.#server = undefined;
    this.#project = project;
    if (!this.#stopped) await this.#start(project);
  }

  /** Starts the server again after it has ended by itself. A change of a file starts it earlier. */
  async #recover(): Promise<void> {
    await this.#pause.wait();
    this.#enqueue(async () => {
      if (this.#stopped || this.#server !== undefined || this.#project === undefined) return;
      await this.#start(this.#project);
    });
  }

  /** The project, or undefined when a server could not start with it; the reason has been reported. */
  async #load(): Promise<Project | undefined> {
    try {
      const project = loadProject(this.#args.dir, this.#env);
      await this.#checkServing(project);
      const problem = (await this.#checkStores(project)) ?? (await this.#checkModules(project));
      if (problem === undefined) return project;
      report(problem);
    } catch (error) {
      report(describeFailure(error, this.#args.dir));
    }
    return undefined;
  }

  /** Throws what would stop the start: a certificate, an address that cannot be listened on, a data directory. */
  async #checkServing({ server, apps }: Project): Promise<void> {
    const configs = apps.map(({ config }) => config);
    const { host, port, tls } = overrideServer(server, configs, this.#args);
    checkTls(tls);
    // The running server has its own port.
    if (String(port) !== this.#url?.port) await tryPort({ host, port });
    for (const { dataDir } of configs) mkdirSync(dataDir, { recursive: true });
  }

  /** The reason why a store would refuse the schema. Names of allowed changes are asked for, or from the command line. */
  async #checkStores({ apps }: Project): Promise<string | undefined> {
    const { allowDestructive } = this.#args;
    const wanted = allowDestructive === 'ask' ? await askAllowance(apps) : allowDestructive;
    const previews = await previewAll(apps, wanted);
    // After the change has been made, no step of a later start has its name.
    const names = new Set(previews.flatMap((preview) => preview.names));
    this.#allowed = wanted.filter((name) => names.has(name));
    return previews.find(({ refusal }) => refusal !== undefined)?.refusal;
  }

  /** Updates the declarations. The server does not depend on them, so that an error is only reported. */
  #refresh({ apps }: Project): void {
    try {
      for (const path of refreshTypes(apps)) report(`wrote ${path}`);
    } catch (error) {
      report(describeFailure(error, this.#args.dir));
    }
  }

  /** Errors of code and flows. A child process checks them: modules loaded here would keep running and never reload. */
  async #checkModules({ apps }: Project): Promise<string | undefined> {
    const hasModules = apps.some(
      ({ config: { hooks, routes, connectors, flows } }) =>
        hooks.length + routes.length > 0 || connectors !== undefined || flows !== undefined,
    );
    return hasModules ? checkInChild(this.#args.dir, this.#env) : undefined;
  }

  async #start({ server }: Project): Promise<void> {
    const { dir, host, logFormat } = this.#args;
    const port = this.#args.port ?? server.port;
    const chosen = port === 0 ? (this.#url?.port ?? '0') : String(port);
    const args = [
      dir,
      ...(this.#allowed.length === 0 ? [] : [`--allow-destructive=${this.#allowed.join(',')}`]),
      ...(host === undefined ? [] : ['--host', host]),
      '--port',
      chosen,
      ...(logFormat === undefined ? [] : ['--json']),
    ];
    let hasStarted = false;
    const child = new ChildServer({
      args,
      env: this.#env,
      isRestart: this.#url !== undefined,
      onEnd: (reason) => {
        if (this.#server === child) this.#server = undefined;
        report(`the server has ended (${reason}); it starts again${hasStarted ? '' : ' after the next change'}`);
        if (hasStarted) void this.#recover();
      },
    });
    this.#server = child;
    const url = await child.started();
    if (url === undefined) return;
    hasStarted = true;
    this.#pause.begin();
    this.#url = new URL(url);
    report(`serving on ${url}`);
  }
}

/** Writes to stderr: stdout has only the log of the server. */
function report(text: string): void {
  process.stderr.write(`${paintFor(process.stderr, process.env)('gray', 'dev:')} ${text}\n`);
}
