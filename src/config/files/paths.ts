import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { Reading } from '../keys/units.ts';

export type PathKind = 'file' | 'folder';

/** True when `path` is the folder or below it. Both are absolute. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

export function kindOf(path: string): PathKind | 'other' | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (stat.isFile()) return 'file';
  return stat.isDirectory() ? 'folder' : 'other';
}

/** Returns the absolute path of a file or folder that must exist inside `folder`, with symbolic links resolved. */
export function findInside(folder: string, written: string, kind: PathKind): Reading<string> {
  const path = resolve(folder, written);
  const outside = { message: `"${written}" is outside the application folder`, hint: 'write a path inside it' };
  if (isAbsolute(written) || !isInside(folder, path)) return outside;
  const found = kindOf(path);
  if (found === undefined) return { message: `${kind} "${written}" does not exist` };
  if (found !== kind) return { message: `"${written}" is not a ${kind}` };
  if (!isInside(realpathSync(folder), realpathSync(path))) {
    return { message: `"${written}" leads outside the application folder`, hint: 'write a path inside it' };
  }
  return { value: path };
}
