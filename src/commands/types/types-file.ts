import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DEFINITIONS_MARK, makeDefinitions } from '../../schema/definitions.ts';
import type { ProjectApp } from '../../schema/project-app.ts';
import { DECLARATIONS_MARK, makeDeclarations } from '../../typegen/declarations.ts';
import { CommandError } from '../failure.ts';

/** Where an application has its declarations, unless it is said. */
export const TYPES_FILE = 'tablecast-env.d.ts';
/** Where the definitions of directives are, beside the declarations. */
export const DEFINITIONS_FILE = 'tablecast.graphql';

/** A file that `tablecast types` makes. */
export interface MadeFile {
  readonly path: string;
  readonly text: string;
  /** How it begins; other files are left as they are. */
  readonly mark: string;
}

/** The declarations of an application, in its folder or at `out`, and the definitions of directives beside them. */
export function madeFiles({ config, plan }: ProjectApp, out?: string): readonly [declarations: MadeFile, MadeFile] {
  const path = out ?? join(config.dir, TYPES_FILE);
  return [
    { path, text: makeDeclarations(plan), mark: DECLARATIONS_MARK },
    { path: join(dirname(path), DEFINITIONS_FILE), text: makeDefinitions(), mark: DEFINITIONS_MARK },
  ];
}

/** Whether the file is as it would be made. */
export function isCurrent({ path, text }: MadeFile): boolean {
  return read(path) === text;
}

/** Writes the file, whole or not at all. False when it was there. Throws CommandError for a file of others. */
export function writeMade({ path, text, mark }: MadeFile): boolean {
  const present = read(path);
  if (present === text) return false;
  if (present !== undefined && present !== '' && !present.startsWith(mark)) {
    throw new CommandError(
      `${path} was not made by tablecast types, and is left as it is; name another file with --out`,
    );
  }
  // Beside it, so that it is one rename; not with an ending that compilers and watchers look at.
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(draft, text, { flag: 'wx' });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  return true;
}

/** Brings those files up to date that applications have. */
export function refreshTypes(apps: readonly ProjectApp[]): readonly string[] {
  return apps
    .flatMap((app) => madeFiles(app))
    .filter((file) => read(file.path)?.startsWith(file.mark) && writeMade(file))
    .map(({ path }) => path);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
