import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PAGE_SCRIPT } from './script.ts';
import { PAGE_STYLE } from './style.ts';

export interface PageFile {
  readonly text: string | Buffer;
  readonly type: string;
}

const JAVASCRIPT = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

const OWN: ReadonlyMap<string, PageFile> = new Map([
  ['page.js', { text: PAGE_SCRIPT, type: JAVASCRIPT }],
  ['page.css', { text: PAGE_STYLE, type: CSS }],
]);

/** What is taken from the package; everything else in it stays where it is. */
const FOREIGN: ReadonlyMap<string, string> = new Map([
  ['swagger-ui-bundle.js', JAVASCRIPT],
  ['swagger-ui.css', CSS],
  ['favicon-32x32.png', 'image/png'],
]);

/** A file of the page, or undefined when it has none of that name. */
export async function readPageFile(name: string): Promise<PageFile | undefined> {
  const own = OWN.get(name);
  if (own !== undefined) return own;
  const type = FOREIGN.get(name);
  return type === undefined ? undefined : { text: await readFile(join(packageFolder(), name)), type };
}

function packageFolder(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@fastify/swagger-ui/package.json')), 'static');
}

/** Address of a file of the page, relative to the page; it changes with the content, which is cached for ever. */
export async function addressOf(name: string): Promise<string> {
  const file = await readPageFile(name);
  const tag = createHash('sha256')
    .update(file?.text ?? '')
    .digest('base64url')
    .slice(0, 10);
  return `docs/${name}?v=${tag}`;
}
