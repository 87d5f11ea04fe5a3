import { isReservedAppId } from '../../config/reserved-paths.ts';

export const DEFAULT_NAME = 'my-app';

/** Characters of an app id, as config.yaml accepts them. */
const MAX_APP_ID_CHARACTERS = 64;
/** Names that npm does not accept for a package, or that the package depends on. */
const TAKEN_PACKAGE_NAMES: ReadonlySet<string> = new Set(['tablecast', 'node_modules', 'favicon.ico']);

/** A valid app id that is as near to the folder's name as possible: `Über uns` gives `Uber-uns`. */
export function toAppId(folder: string): string {
  const letters = folder.normalize('NFKD').replace(/\p{M}/gu, '').replaceAll('ß', 'ss');
  const name = letters
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[-_.]+/, '')
    .slice(0, MAX_APP_ID_CHARACTERS)
    .replace(/[-_.]+$/, '');
  if (name === '') return DEFAULT_NAME;
  return isReservedAppId(name) ? `${name}-app` : name;
}

/** The name for package.json: lower case, and not that of the package it depends on. */
export function toPackageName(appId: string): string {
  const name = appId.toLowerCase();
  return TAKEN_PACKAGE_NAMES.has(name) ? `${name}-app` : name;
}
