import { existsSync } from 'node:fs';
import { basename, dirname, extname, relative, resolve, sep } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { Project } from '../../boot/project.ts';
import { DOTENV_FILE } from '../../config/dotenv.ts';
import { CONFIG_FILE, DEFAULT_WEB } from '../../config/load.ts';
import { CLIENT_TYPES_FILE, DEFINITIONS_FILE, TYPES_FILE } from '../types/types-file.ts';

const MODULES: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json']);
const EXTENSIONS: ReadonlySet<string> = new Set(['.graphql', ...MODULES]);
const FILES: ReadonlySet<string> = new Set([CONFIG_FILE, DOTENV_FILE]);
/** Default names of folders whose files do not matter, in an application or in each of several. */
const DEFAULT_FOLDERS: readonly string[] = ['data', DEFAULT_WEB];
/** Depth of those folders below the one that is watched. */
const MAX_FOLDER_DEPTH = 2;
/** Milliseconds without a change before a restart: editors write in several steps, version control many files. */
const QUIET_MS = 100;

/** Files that `tablecast types` and package managers write: none of them changes what is served. */
const IGNORED_FILES: ReadonlySet<string> = new Set([
  TYPES_FILE,
  CLIENT_TYPES_FILE,
  DEFINITIONS_FILE,
  'package-lock.json',
  'npm-shrinkwrap.json',
]);

/** The files of an application that decide how it is served. */
export class WatchedFiles {
  readonly #root: string;
  #ignored: ReadonlySet<string> = new Set();
  #schemas: ReadonlySet<string> = new Set();
  /** Folders with static files that the server was started with. */
  #webs: ReadonlySet<string> = new Set();
  #hasModules = true;
  #hasErrors = false;

  constructor(dir: string) {
    this.#root = resolve(dir);
  }

  get root(): string {
    return this.#root;
  }

  /**
   * Ignores the folders of data and static files that the configuration names, and watches its schema files. Without
   * hooks and routes, no change of a module matters: those are of the page.
   */
  use({ apps }: Project): void {
    this.#webs = new Set(apps.flatMap(({ config: { web } }) => web ?? []));
    this.#ignored = new Set([...apps.map(({ config }) => config.dataDir), ...this.#webs]);
    this.#schemas = new Set(apps.flatMap(({ config }) => config.schemas));
    this.#hasModules = apps.some(({ config: { hooks, routes } }) => hooks.length + routes.length > 0);
    this.#hasErrors = false;
  }

  /** Every module and folder matters while the configuration has an error: it may name some. */
  useAll(): void {
    this.#hasModules = true;
    this.#hasErrors = true;
  }

  /** False for a folder whose files never matter, nor those below it. */
  isFolderOfInterest(path: string): boolean {
    const names = this.#namesIn(path);
    if (names.some((name) => name === 'node_modules' || name.startsWith('.'))) return false;
    // Until the configuration has been read, only the default names are known.
    const first = names.slice(0, MAX_FOLDER_DEPTH);
    if (this.#schemas.size === 0 && first.some((name) => DEFAULT_FOLDERS.includes(name))) return false;
    for (let folder = path; folder.length > this.#root.length; folder = dirname(folder)) {
      if (this.#ignored.has(folder)) return false;
    }
    return true;
  }

  /** True for a folder that is served as soon as it is there, however little its files matter. */
  isServedFolder(path: string): boolean {
    if (this.#webs.has(path)) return true;
    if (this.#namesIn(path).length > MAX_FOLDER_DEPTH) return false;
    return basename(path) === DEFAULT_WEB || (this.#hasErrors && this.isFolderOfInterest(path));
  }

  isOfInterest(path: string): boolean {
    if (!this.isFolderOfInterest(dirname(path)) || IGNORED_FILES.has(basename(path))) return false;
    return FILES.has(basename(path)) || EXTENSIONS.has(extname(path)) || this.#schemas.has(path);
  }

  /** False for a module of an application that loads none, and for a folder that is there as it was at the start. */
  isServed(path: string): boolean {
    const folder = resolve(this.#root, path);
    if (this.isServedFolder(folder)) return this.#hasErrors || existsSync(folder) !== this.#webs.has(folder);
    const isModule = MODULES.has(extname(path)) && !FILES.has(basename(path));
    return this.#hasModules || !isModule || this.#schemas.has(resolve(this.#root, path));
  }

  /** Names of the folders from the root to a path. */
  #namesIn(path: string): readonly string[] {
    return relative(this.#root, path).split(sep).filter(Boolean);
  }
}

/** Reports the files that changed, once no further one has for `QUIET_MS`. Resolves when the watcher is ready. */
export async function watchFiles(
  files: WatchedFiles,
  onChange: (paths: readonly string[]) => void,
): Promise<FSWatcher> {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(files.root, {
    ignoreInitial: true,
    ignored: (path, stats) =>
      !(stats?.isFile() ? files.isOfInterest(path) : files.isFolderOfInterest(path) || files.isServedFolder(path)),
  });
  watcher.on('all', (event, path) => {
    const isFolder = event === 'addDir' || event === 'unlinkDir';
    if (!(isFolder ? files.isServedFolder(path) : files.isOfInterest(path))) return;
    changed.add(relative(files.root, path));
    clearTimeout(timer);
    timer = setTimeout(() => {
      const paths = [...changed].toSorted().filter((path) => files.isServed(path));
      changed.clear();
      if (paths.length > 0) onChange(paths);
    }, QUIET_MS);
  });
  await new Promise<void>((done) => watcher.once('ready', done));
  return watcher;
}
