import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Diagnostic, StartError } from '../config/files/diagnostic.ts';
import { isInside } from '../config/files/paths.ts';
import { diagnoseFile, SourceFile } from '../config/files/source.ts';

/** Exports of a loaded module by name; `default` among them. */
export type Exports = Readonly<Record<string, unknown>>;

export interface ModuleLoaderOptions {
  /** Absolute path of the application folder. */
  readonly folder: string;
  /** Folder that paths in messages are relative to. */
  readonly root: string;
  /** Milliseconds that a module may take: one that waits at its top level would block the start without end. */
  readonly timeout?: number;
}

const LOAD_TIMEOUT = 10_000;
/** Message of the compiler for a module that does not parse: the place is on a line of its own. */
const PARSE_ERROR = /^ParseError: ([\s\S]*?)\s*\n\s*(.+):(\d+):(\d+)\s*$/;

/** A stack frame's place in a file. */
const FRAME = /\(?((?:file:\/\/)?\/[^()\n]*?|[A-Za-z]:\\[^()\n]*?):(\d+):(\d+)\)?$/;

export interface StackPlace {
  readonly file: string;
  readonly line: number;
}

/** The innermost stack frame in code of the application in this folder. The compiler of its modules keeps lines, not columns. */
export function findPlace(folder: string, error: unknown): StackPlace | undefined {
  if (!(error instanceof Error)) return undefined;
  for (const frame of (error.stack ?? '').split('\n')) {
    const [, found, line] = FRAME.exec(frame.trim()) ?? [];
    if (found === undefined || line === undefined) continue;
    const file = found.startsWith('file:') ? fileURLToPath(found) : found;
    const isOfPackage = file.includes(`${sep}node_modules${sep}`);
    if (isInside(folder, file) && !isOfPackage) return { file, line: Number(line) };
  }
  return undefined;
}

/**
 * Loads modules of one application, TypeScript or JavaScript, without a build step. Types are removed, not checked. The
 * modules of one loader share what they import; another loader of the folder reads the files again.
 */
export class ModuleLoader {
  readonly #options: ModuleLoaderOptions;
  #load: Promise<(path: string) => Promise<Exports>> | undefined;

  constructor(options: ModuleLoaderOptions) {
    this.#options = options;
  }

  /** Returns the exports of the module at an absolute path. Throws StartError with the place of the error. */
  async load(path: string): Promise<Exports> {
    // Loaded on demand: the compiler is large, and most applications have no modules.
    this.#load ??= makeLoad(this.#options.folder);
    const load = await this.#load;
    try {
      return await this.#inTime(path, load(path));
    } catch (error) {
      if (error instanceof StartError) throw error;
      throw new StartError([this.#diagnose(path, error)]);
    }
  }

  /** Makes a diagnostic at the first match of `text` in a module, else for the module as a whole. */
  diagnoseAt(path: string, text: RegExp, wrong: { readonly message: string; readonly hint?: string }): Diagnostic {
    const source = this.#read(path);
    const offset = source?.text.search(text) ?? -1;
    if (source === undefined || offset < 0) return diagnoseFile(this.#relativePath(path), wrong.message, wrong.hint);
    return source.diagnose(source.locate(offset), wrong);
  }

  async #inTime(path: string, loading: Promise<Exports>): Promise<Exports> {
    const { timeout = LOAD_TIMEOUT } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `was not loaded within ${timeout} ms`;
      const hint = 'it waits for something at its top level: do so in a function that is called later';
      const diagnostic = diagnoseFile(this.#relativePath(path), message, hint);
      timer = setTimeout(() => reject(new StartError([diagnostic])), timeout);
    });
    try {
      return await Promise.race([loading, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #diagnose(path: string, error: unknown): Diagnostic {
    const message = error instanceof Error ? error.message : String(error);
    const [, text, file, line, column] = PARSE_ERROR.exec(message) ?? [];
    if (file !== undefined) {
      // The compiler counts columns from 0.
      return this.#diagnosePlace(file, { line, column: Number(column) + 1, message: `does not parse: ${text}` });
    }
    const summary = `cannot be loaded: ${firstLine(message)}`;
    const place = findPlace(this.#options.folder, error);
    return place === undefined
      ? diagnoseFile(this.#relativePath(path), summary)
      : this.#diagnosePlace(place.file, { line: place.line, message: summary });
  }

  #diagnosePlace(file: string, { line, column, message }: SourcePlace): Diagnostic {
    const source = this.#read(file);
    const at = { file: this.#relativePath(file), line: Number(line), column: column ?? 1 };
    return source?.diagnose(at, { message }) ?? diagnoseFile(`${at.file}:${at.line}`, message);
  }

  #read(file: string): SourceFile | undefined {
    try {
      return new SourceFile(this.#relativePath(file), readFileSync(file, 'utf8'));
    } catch {
      return undefined;
    }
  }

  #relativePath(path: string): string {
    const { root } = this.#options;
    return isInside(root, path) ? relative(root, path).split(sep).join('/') : path;
  }
}

interface SourcePlace {
  readonly line: string | number | undefined;
  /** Column in the compiled text, which may differ from the source; only known when it does not parse. */
  readonly column?: number;
  readonly message: string;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] as string;
}

async function makeLoad(folder: string): Promise<(path: string) => Promise<Exports>> {
  const { createJiti } = await import('jiti');
  const { cache } = createRequire(import.meta.url);
  // Modules that were loaded before may have changed since.
  for (const path of Object.keys(cache)) {
    if (isInside(folder, path) && !path.includes(`${sep}node_modules${sep}`)) delete cache[path];
  }
  const jiti = createJiti(folder + sep, {
    // Code in a cache on disk could be written by others.
    fsCache: false,
    interopDefault: false,
    tryNative: false,
    virtualModules: await loadOwn(),
  });
  return (path) => jiti.import<Exports>(path);
}

/** Names by which applications import this package. */
const OWN_NAMES = ['tablecast', 'tablecast/client'] as const;

/**
 * Loads this package as it runs, so that an application folder needs no `node_modules`, and shares the classes of the
 * server where it has some. A package may import itself by its name (its `exports`).
 */
async function loadOwn(): Promise<Readonly<Record<string, unknown>>> {
  const own: Record<string, unknown> = {};
  for (const name of OWN_NAMES) {
    // Where the package is not built, an application has to install its own.
    const entry = await import(name).catch(() => undefined);
    if (entry !== undefined) own[name] = entry;
  }
  return own;
}
