import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProjectApp } from '../../schema/project-app.ts';
import { DECLARATIONS_MARK, makeDeclarations } from '../../typegen/declarations.ts';
import { CommandError } from '../failure.ts';

/** Where an application has its declarations, unless it is said. */
export const TYPES_FILE = 'tablecast-env.d.ts';

export function typesFileOf({ config }: ProjectApp): string {
  return join(config.dir, TYPES_FILE);
}

/** Whether the file says what the schema says. */
export function isCurrent(path: string, { plan }: ProjectApp): boolean {
  return read(path) === makeDeclarations(plan);
}

/** Writes the declarations, whole or not at all. False when they were there. Throws CommandError for a file of others. */
export function writeTypes(path: string, { plan }: ProjectApp): boolean {
  const text = makeDeclarations(plan);
  const present = read(path);
  if (present === text) return false;
  if (present !== undefined && present !== '' && !present.startsWith(DECLARATIONS_MARK)) {
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

/** Brings the declarations up to date of those applications that have any. */
export function refreshTypes(apps: readonly ProjectApp[]): readonly string[] {
  return apps
    .map((app) => [typesFileOf(app), app] as const)
    .filter(([path, app]) => read(path)?.startsWith(DECLARATIONS_MARK) && writeTypes(path, app))
    .map(([path]) => path);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
