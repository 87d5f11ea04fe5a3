import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AppConfig } from '../../config/config.ts';
import { DEFINITIONS_MARK, makeDefinitions } from '../../schema/definitions.ts';
import type { ProjectApp } from '../../schema/project-app.ts';
import { makeClientTypes } from '../../typegen/client-types.ts';
import { DECLARATIONS_MARK, makeDeclarations } from '../../typegen/declarations.ts';
import { CommandError } from '../failure.ts';

/** The default file of the declarations, in the application folder. */
export const TYPES_FILE = 'tablecast-env.d.ts';
/** The file with the types for the client, beside the declarations. */
export const CLIENT_TYPES_FILE = 'tablecast-client.d.ts';
/** The file with the definitions of directives, beside the declarations. */
export const DEFINITIONS_FILE = 'tablecast.graphql';

/** A file that `tablecast types` generates. */
export interface MadeFile {
  readonly path: string;
  readonly text: string;
  /** The beginning of the file. A file that begins otherwise is not overwritten. */
  readonly mark: string;
}

/** Paths of generated files that are not in their default places. */
export interface MadePaths {
  readonly out?: string | undefined;
  readonly client?: string | undefined;
}

/**
 * The declarations of an application, in its folder or at `out`, and beside them the types for the client, or at `client`,
 * and the definitions of directives.
 */
export function madeFiles({ config, plan }: ProjectApp, { out, client }: MadePaths = {}): readonly MadeFile[] {
  const path = out ?? join(config.dir, TYPES_FILE);
  const clientPath = client ?? join(dirname(path), CLIENT_TYPES_FILE);
  return [
    { path, text: makeDeclarations(plan), mark: DECLARATIONS_MARK },
    { path: clientPath, text: makeClientTypes(plan, roomsOf(config)), mark: DECLARATIONS_MARK },
    { path: join(dirname(path), DEFINITIONS_FILE), text: makeDefinitions(), mark: DEFINITIONS_MARK },
  ];
}

/** Names of the connectors whose rooms protocol v1 reaches. */
function roomsOf({ connectors }: Pick<AppConfig, 'connectors'>): readonly string[] {
  const sections = [...(connectors?.members ?? [])];
  const found = sections.filter(([, { value }]) => {
    const { type, port } = Object(value) as { readonly type?: unknown; readonly port?: unknown };
    return (type === 'websocket' || type === 'sse') && port === undefined;
  });
  return found.map(([name]) => name);
}

/** Whether the file is up to date. */
export function isCurrent({ path, text }: MadeFile): boolean {
  return read(path) === text;
}

/** Writes the file atomically. False when it was up to date. Throws CommandError for a file with other content. */
export function writeMade({ path, text, mark }: MadeFile): boolean {
  const present = read(path);
  if (present === text) return false;
  if (present !== undefined && present !== '' && !present.startsWith(mark)) {
    throw new CommandError(
      `${path} was not written by tablecast types and is not overwritten; name another file with --out or --client`,
    );
  }
  // In the same folder for an atomic rename, with an extension that compilers and watchers ignore.
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

/** Updates the generated files that exist. Returns the paths of those that changed. */
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
