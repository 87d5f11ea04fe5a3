import { readFileSync } from 'node:fs';
import type { RunningApp, RunningServer } from '../boot/lifecycle/running-server.ts';
import { type Paint, paintFor } from '../server/operations/colors.ts';
import type { Invocation } from './commands.ts';
import { isSupervised } from './dev/supervised.ts';
import { parseArguments } from './options.ts';

/** URLs of tables that the banner of one application has; `tablecast check` lists all. */
const MAX_LISTED_TABLES = 5;

interface BannerRow {
  readonly label: string;
  readonly text: string;
}

/** The banner at a terminal: what one can open first, then the tables. */
export function summarize({ url, consoleUrl, apps }: Pick<RunningServer, 'url' | 'consoleUrl' | 'apps'>): string {
  const paint = paintFor(process.stdout, process.env);
  const isOnly = apps.length === 1;
  const rows = [
    ...(consoleUrl === undefined ? [] : [{ label: 'Console', text: consoleUrl }]),
    ...apps.flatMap((app) => describeApp(app, { base: `${url}/${app.appId}`, isOnly })),
  ];
  const width = Math.max(...rows.map(({ label }) => label.length)) + 2;
  const lines = rows.map(({ label, text }) => `  ${label.padEnd(width)}${paintUrl(text, paint)}`);
  const title = `${paint('bold', 'Tablecast')} ${paint('gray', readVersion())}`;
  const edit = isSupervised() ? 'Edit and save a file: the server restarts. ' : '';
  return `\n${title}\n\n${lines.join('\n')}\n\n${paint('gray', `${edit}Ctrl-C stops it.`)}\n\n`;
}

function describeApp(app: RunningApp, { base, isOnly }: { base: string; isOnly: boolean }): BannerRow[] {
  const named = (label: string) => (isOnly ? label : `${app.appId} ${label.toLowerCase()}`);
  const page = app.hasPage ? [{ label: named('Page'), text: `${base}/` }] : [];
  const docs = app.hasApiPage ? [{ label: named('API page'), text: `${base}/_/docs` }] : [];
  // With `auth` a browser would get an error there.
  const texts = app.isOpen ? app.tables.map((name) => `${base}/${name}`) : [app.tables.join(', ')];
  return [...page, ...docs, ...describeTables(texts)];

  function describeTables(texts: readonly string[]): BannerRow[] {
    const more = texts.length - MAX_LISTED_TABLES;
    const listed =
      more > 0 ? [...texts.slice(0, MAX_LISTED_TABLES), `and ${more} more: tablecast check lists them`] : texts;
    return listed.map((text, index) => ({ label: index === 0 ? named('Tables') : '', text }));
  }
}

function paintUrl(text: string, paint: Paint): string {
  return text.startsWith('http') ? paint('cyan', text) : text;
}

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
