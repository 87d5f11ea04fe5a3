import { basename, dirname, extname, relative, resolve, sep } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { Project } from '../../boot/project.ts';
import { DOTENV_FILE } from '../../config/dotenv.ts';
import { CONFIG_FILE } from '../../config/load.ts';
import { DEFINITIONS_FILE, TYPES_FILE } from '../types/types-file.ts';

const EXTENSIONS: ReadonlySet<string> = new Set(['.graphql', '.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json']);
const FILES: ReadonlySet<string> = new Set([CONFIG_FILE, DOTENV_FILE]);
/** Editors write in several steps; a version control system changes many files. */
const QUIET = 100;

/** What `tablecast types` makes. */
const MADE: ReadonlySet<string> = new Set([TYPES_FILE, DEFINITIONS_FILE]);

/** Which files of the application decide about how it is served. */
export class WatchedFiles {
  readonly #root: string;
  #ignored: ReadonlySet<string> = new Set();
  #schemas: ReadonlySet<string> = new Set();

  constructor(dir: string) {
    this.#root = resolve(dir);
  }

  get root(): string {
    return this.#root;
  }

  /** What the configuration calls data and static files is left alone, and what it calls a schema is watched. */
  use({ apps }: Project): void {
    this.#ignored = new Set(apps.flatMap(({ config }) => [config.dataDir, ...(config.web ? [config.web] : [])]));
    this.#schemas = new Set(apps.flatMap(({ config }) => config.schemas));
  }

  /** False for a folder, and for everything below it, that never matters. */
  isFolderOfInterest(path: string): boolean {
    const way = relative(this.#root, path);
    if (way === '') return true;
    const names = way.split(sep);
    if (names.some((name) => name === 'node_modules' || name.startsWith('.'))) return false;
    // Before the configuration could be read the usual names are all that is known.
    if (this.#schemas.size === 0 && names.length <= 2 && ['data', 'web'].includes(basename(path))) return false;
    for (let folder = path; folder.length > this.#root.length; folder = dirname(folder)) {
      if (this.#ignored.has(folder)) return false;
    }
    return true;
  }

  isOfInterest(path: string): boolean {
    if (!this.isFolderOfInterest(dirname(path)) || MADE.has(basename(path))) return false;
    return FILES.has(basename(path)) || EXTENSIONS.has(extname(path)) || this.#schemas.has(path);
  }
}

/** Calls back with the files that changed, when they have been quiet for a moment. Resolves when it watches. */
export async function watchFiles(
  files: WatchedFiles,
  onChange: (paths: readonly string[]) => void,
): Promise<FSWatcher> {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(files.root, {
    ignoreInitial: true,
    ignored: (path, stats) => !(stats?.isFile() ? files.isOfInterest(path) : files.isFolderOfInterest(path)),
  });
  watcher.on('all', (event, path) => {
    if (event === 'addDir' || event === 'unlinkDir' || !files.isOfInterest(path)) return;
    changed.add(relative(files.root, path));
    clearTimeout(timer);
    timer = setTimeout(() => {
      const paths = [...changed].toSorted();
      changed.clear();
      onChange(paths);
    }, QUIET);
  });
  await new Promise<void>((done) => watcher.once('ready', done));
  return watcher;
}
