import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { StartError } from '../../src/config/files/diagnostic.ts';

export const SCHEMA = 'type Message @table @export { id: ID! @primaryKey }\n';

/** Makes a folder `my-app` with these files; it is removed after the test. */
export function makeFolder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const parent = mkdtempSync(join(tmpdir(), 'tablecast-config-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const folder = join(parent, 'my-app');
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** Makes an application folder with this config.yaml and a schema. */
export function makeApp(config: string | Uint8Array): string {
  return makeFolder({ 'config.yaml': config, 'schema.graphql': SCHEMA });
}

/** Formats every mistake as `file:line:column message | hint`, without line and column where there are none. */
export function mistakesOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return error.diagnostics.map(({ at, message, hint }) => {
      const place = at.line === 0 ? at.file : `${at.file}:${at.line}:${at.column}`;
      return `${place} ${message}${hint === undefined ? '' : ` | ${hint}`}`;
    });
  }
  return [];
}
