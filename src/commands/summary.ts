import { readFileSync } from 'node:fs';
import type { RunningApp, RunningServer } from '../boot/lifecycle/running-server.ts';
import { type Paint, paintFor } from '../server/operations/colors.ts';
import type { Invocation } from './commands.ts';
import { isSupervised } from './dev/supervised.ts';
import { parseArguments } from './options.ts';

/** Lines with URLs in the banner: with title and hint it has twelve. */
const MAX_ROWS = 8;
/** Of these, lines for the addresses of the machine in its networks. */
const MAX_NETWORK_ROWS = 2;

interface BannerRow {
  readonly label: string;
  readonly text: string;
}

/** Members of a server that its banner describes. */
export type BannerServer = Pick<RunningServer, 'url' | 'networkUrls' | 'consoleUrl' | 'apps'>;

/** The banner at a terminal: what one can open first, then the tables. */
export function summarize(server: BannerServer): string {
  const paint = paintFor(process.stdout, process.env);
  const rows = describeServer(server);
  const width = Math.max(...rows.map(({ label }) => label.length)) + 2;
  const lines = rows.map(({ label, text }) => `  ${label.padEnd(width)}${paintUrl(text, paint)}`);
  const title = `${paint('bold', 'Tablecast')} ${paint('gray', readVersion())}`;
  const edit = isSupervised() ? 'Edit and save a file: the server restarts. ' : '';
  return `\n${title}\n\n${lines.join('\n')}\n\n${paint('gray', `${edit}Ctrl-C stops it.`)}\n\n`;
}

/** Returns the URL for the browser of another device: a page, or what there is instead. Undefined where there is none. */
export function phoneUrlOf(server: BannerServer): string | undefined {
  const [first] = server.networkUrls;
  const path = pathToOpen(server);
  return first === undefined || path === undefined ? undefined : `${first}${path}`;
}

function describeServer(server: BannerServer): readonly BannerRow[] {
  const { url, consoleUrl, apps } = server;
  const console = consoleUrl === undefined ? [] : [{ label: 'Console', text: consoleUrl }];
  const [only, another] = apps;
  const network = describeNetwork(server);
  const room = MAX_ROWS - console.length - network.length;
  const all =
    only !== undefined && another === undefined
      ? describeApp(only, { base: `${url}/${only.appId}`, room })
      : describeApps(apps, { url, room });
  return [...console, ...all, ...network];
}

/** The page and the tables of the only application. */
function describeApp(app: RunningApp, { base, room }: { base: string; room: number }): readonly BannerRow[] {
  const page = app.hasPage ? [{ label: 'Page', text: `${base}/` }] : [];
  const docs = app.hasApiPage ? [{ label: 'API page', text: `${base}/_/docs` }] : [];
  // With `auth` a browser would get an error there.
  const texts = app.isOpen ? app.tables.map((name) => `${base}/${name}`) : [app.tables.join(', ')];
  const listed = shorten(
    texts,
    room - page.length - docs.length,
    (more) => `and ${more} more: tablecast check lists them`,
  );
  return [...page, ...docs, ...listed.map((text, index) => ({ label: index === 0 ? 'Tables' : '', text }))];
}

/** One URL of each application: its page, or what there is instead. */
function describeApps(apps: readonly RunningApp[], { url, room }: { url: string; room: number }): readonly BannerRow[] {
  const rows = apps.map((app) => ({ label: app.appId, text: describeOne(app, url) }));
  const more = rows.length - room;
  return more > 0
    ? [...rows.slice(0, room - 1), { label: '', text: `and ${more + 1} more: tablecast check lists them` }]
    : rows;
}

function describeOne(app: RunningApp, url: string): string {
  const path = pathOf(app);
  return path === undefined ? app.tables.join(', ') : `${url}${path}`;
}

/** Addresses in the networks of the machine, where the other lines have one that only this machine can open. */
function describeNetwork(server: BannerServer): readonly BannerRow[] {
  const { url, networkUrls } = server;
  const path = pathToOpen(server);
  if (path === undefined || networkUrls.includes(url)) return [];
  const listed = networkUrls.slice(0, MAX_NETWORK_ROWS).map((each) => `${each}${path}`);
  return listed.map((text, index) => ({ label: index === 0 ? 'Network' : '', text }));
}

/** The path that is opened first. Undefined where a browser can open nothing. */
function pathToOpen({ url, consoleUrl, apps }: BannerServer): string | undefined {
  const [path] = apps.flatMap((app) => pathOf(app) ?? []);
  return path ?? consoleUrl?.slice(url.length);
}

function pathOf({ appId, hasPage, hasApiPage, isOpen, tables: [table] }: RunningApp): string | undefined {
  if (hasPage) return `/${appId}/`;
  if (hasApiPage) return `/${appId}/_/docs`;
  return isOpen && table !== undefined ? `/${appId}/${table}` : undefined;
}

function shorten(texts: readonly string[], room: number, describeRest: (more: number) => string): readonly string[] {
  if (texts.length <= room) return texts;
  return [...texts.slice(0, room - 1), describeRest(texts.length - room + 1)];
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
