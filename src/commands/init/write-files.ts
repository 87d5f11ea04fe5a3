import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { kindOf } from '../../config/files/paths.ts';
import { CommandError } from '../failure.ts';

/** Entries of a folder that an error names. */
const MAX_NAMED_ENTRIES = 5;

/** File modes: of secrets, for the owner alone, and of everything else, as the umask has it. */
const SECRET_MODE = 0o600;
const DEFAULT_MODE = 0o666;

/** Paths relative to the folder. */
export interface Written {
  readonly added: readonly string[];
  /** Files that existed and were left as they are. */
  readonly kept: readonly string[];
}

type Files = ReadonlyMap<string, string>;

/** Throws CommandError unless the folder is missing or empty, or `force` allows to add to it. */
export function checkTarget(dir: string, { force }: { readonly force: boolean }): void {
  const kind = explained(dir, () => kindOf(dir));
  if (kind === undefined) return;
  if (kind !== 'folder') throw new CommandError(`${dir} exists and is not a folder; name another one`);
  // A repository that was made on a website is empty but for this.
  const entries = readdirSync(dir).filter((name) => name !== '.git');
  if (force || entries.length === 0) return;
  const named = entries.slice(0, MAX_NAMED_ENTRIES).join(', ');
  const more = entries.length > MAX_NAMED_ENTRIES ? ` and ${entries.length - MAX_NAMED_ENTRIES} more` : '';
  throw new CommandError(
    `${dir} is not empty: it has ${named}${more}; name another folder, or add the missing files with --force`,
  );
}

/** Writes the files into the folder, all or none. A missing folder appears when it is complete. */
export function writeFiles(dir: string, files: Files): Written {
  return explained(dir, () => (kindOf(dir) === undefined ? createFolder(dir, files) : addToFolder(dir, files)));
}

function createFolder(dir: string, files: Files): Written {
  const parent = dirname(dir);
  const firstCreated = mkdirSync(parent, { recursive: true });
  // Beside the folder, so that one rename makes it appear.
  const draft = join(parent, `.tablecast-init-${randomUUID()}`);
  try {
    mkdirSync(draft);
    addToFolder(draft, files);
    renameSync(draft, dir);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (firstCreated !== undefined) rmSync(firstCreated, { recursive: true, force: true });
    throw error;
  }
  return { added: [...files.keys()], kept: [] };
}

function addToFolder(dir: string, files: Files): Written {
  const added: string[] = [];
  const kept: string[] = [];
  const folders: string[] = [];
  try {
    for (const [path, text] of files) {
      const first = mkdirSync(join(dir, dirname(path)), { recursive: true });
      if (first !== undefined) folders.push(first);
      if (writeNew(join(dir, path), text)) added.push(path);
      else kept.push(path);
    }
  } catch (error) {
    for (const path of added) rmSync(join(dir, path), { force: true });
    for (const folder of folders.toReversed()) removeIfEmpty(folder);
    throw error;
  }
  return { added, kept };
}

/** False when the file exists. */
function writeNew(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: basename(path) === '.env' ? SECRET_MODE : DEFAULT_MODE });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    // Files that were written before the disk was full.
    rmSync(path, { force: true });
    throw error;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'ENOENT') throw error;
  }
}

/** Throws a sentence with the folder's name for errors of the file system, whose path is that of a draft. */
function explained<T>(dir: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const reason = REASONS[codeOf(error) ?? ''];
    if (reason === undefined) throw error;
    throw new CommandError(`${dir} cannot be created: ${reason}`, { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'no permission to write there; name a folder elsewhere',
  EPERM: 'no permission to write there; name a folder elsewhere',
  EROFS: 'its file system is read-only; name a folder elsewhere',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk is full',
  ENOTDIR: 'a part of its path is a file; name a folder elsewhere',
  EEXIST: 'a part of its path is a file; name a folder elsewhere',
  ENAMETOOLONG: 'its name is too long for the file system; name it shorter',
};

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
