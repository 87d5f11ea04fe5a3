import { readFileSync } from 'node:fs';
import type { Invocation } from './commands.ts';
import { parseArguments } from './options.ts';

/** `tablecast version`: prints the version in package.json. */
export function version({ args }: Invocation): number {
  parseArguments(args, []);
  process.stdout.write(`${readVersion()}\n`);
  return 0;
}

/** The folder of the package, from the sources as from the built program. */
export const PACKAGE_ROOT = new URL('../../', import.meta.url);

export function readVersion(): string {
  const manifest = readFileSync(new URL('package.json', PACKAGE_ROOT), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
