import closeWithGrace from 'close-with-grace';
import { previewAll } from '../../boot/allowance.ts';
import type { Project } from '../../boot/project.ts';
import { loadProject } from '../../boot/project.ts';
import { askAllowance } from '../allowance.ts';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { type Arguments, parseArguments } from '../options.ts';
import { refreshTypes } from '../types/types-file.ts';
import { ChildServer, checkInChild } from './child-server.ts';
import { WatchedFiles, watchFiles } from './watch.ts';

/** What a server gets beyond the time that it may take to stop, before it is killed. */
const GRACE = 5000;

/** `tablecast dev`: runs `start` in a process of its own, and again whenever something changed that still makes sense. */
export async function dev({ args, env }: Invocation): Promise<number> {
  const supervisor = new Supervisor(parseArguments(args, ['allow-destructive', 'port', 'host']), env);
  const files = supervisor.files;
  const watcher = await watchFiles(files, (paths) => supervisor.changed(paths));
  closeWithGrace({ delay: false, logger: false, onSecondSignal: () => supervisor.kill() }, async ({ err }) => {
    if (err) say(describeFailure(err));
    await watcher.close();
    await supervisor.stop();
  });
  say(`watching ${files.root}`);
  supervisor.changed([]);
  return 0;
}

class Supervisor {
  readonly files: WatchedFiles;
  readonly #args: Arguments;
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildServer | undefined;
  /** Of the running server; a port that was taken freely is kept over restarts, so that clients find it again. */
  #port: string | undefined;
  #shutdown = 0;
  /** Names of the steps that may lose data at the next start. */
  #allowed: readonly string[] = [];
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(args: Arguments, env: NodeJS.ProcessEnv) {
    this.#args = args;
    this.#env = env;
    this.files = new WatchedFiles(args.dir);
  }

  /** Restarts the server for these files, after whatever is under way. */
  changed(paths: readonly string[]): void {
    this.#work = this.#work
      .then(() => this.#restart(paths))
      .catch((error) => say(describeFailure(error, this.#args.dir)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#child?.stop(this.#shutdown + GRACE);
  }

  kill(): void {
    this.#child?.kill();
  }

  async #restart(paths: readonly string[]): Promise<void> {
    if (this.#stopped) return;
    if (paths.length > 0) say(`changed: ${paths.join(', ')}`);
    const project = await this.#load();
    if (project === undefined) {
      say(this.#child === undefined ? 'waiting for a change' : 'the server goes on as before');
      return;
    }
    this.files.use(project);
    this.#refresh(project);
    this.#shutdown = project.server.limits.shutdown;
    await this.#child?.stop(this.#shutdown + GRACE);
    this.#child = undefined;
    if (!this.#stopped) await this.#start(project);
  }

  /** Undefined when the server could not start with what is written now, which has then been told. */
  async #load(): Promise<Project | undefined> {
    try {
      const project = loadProject(this.#args.dir, this.#env);
      const refusal = await this.#checkStores(project);
      if (refusal !== undefined) {
        say(refusal);
        return undefined;
      }
      const mistake = await this.#checkModules(project);
      if (mistake === undefined) return project;
      say(mistake);
      return undefined;
    } catch (error) {
      say(describeFailure(error, this.#args.dir));
      return undefined;
    }
  }

  /** Why a store would refuse the schema. What may be lost is asked at each change, or named from the beginning. */
  async #checkStores({ apps }: Project): Promise<string | undefined> {
    const { allowDestructive } = this.#args;
    const wanted = allowDestructive === 'ask' ? await askAllowance(apps) : allowDestructive;
    const previews = await previewAll(apps, wanted);
    // A name serves once: at a later start no step has it any more.
    const names = new Set(previews.flatMap((preview) => preview.names));
    this.#allowed = wanted.filter((name) => names.has(name));
    return previews.find(({ refusal }) => refusal !== undefined)?.refusal;
  }

  /** Nothing depends on the declarations while the server runs. */
  #refresh({ apps }: Project): void {
    try {
      for (const path of refreshTypes(apps)) say(`wrote ${path}`);
    } catch (error) {
      say(describeFailure(error, this.#args.dir));
    }
  }

  /** In a process of its own: what a module has begun would go on in this one, and it could not be loaded anew. */
  async #checkModules({ apps }: Project): Promise<string | undefined> {
    if (apps.every(({ config }) => config.hooks.length === 0)) return undefined;
    return checkInChild(this.#args.dir, this.#env);
  }

  async #start({ server }: Project): Promise<void> {
    const { dir, host } = this.#args;
    const port = this.#args.port ?? server.port;
    const taken = port === 0 ? this.#port : String(port);
    const args = [
      dir,
      ...(this.#allowed.length === 0 ? [] : [`--allow-destructive=${this.#allowed.join(',')}`]),
      ...(host === undefined ? [] : ['--host', host]),
      ...(taken === undefined ? [] : ['--port', taken]),
    ];
    const child = new ChildServer({
      args,
      env: this.#env,
      onEnd: (how) => {
        if (this.#child === child) this.#child = undefined;
        say(`the server has ended (${how}); it starts again after the next change`);
      },
    });
    this.#child = child;
    const url = await child.started();
    if (url === undefined) return;
    this.#port = new URL(url).port;
    say(`serving on ${url}`);
  }
}

/** Stdout has the log of the server alone. */
function say(text: string): void {
  process.stderr.write(`dev: ${text}\n`);
}
