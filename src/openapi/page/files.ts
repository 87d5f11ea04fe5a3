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

const OWN_FILES: ReadonlyMap<string, PageFile> = new Map([
  ['page.js', { text: PAGE_SCRIPT, type: JAVASCRIPT }],
  ['page.css', { text: PAGE_STYLE, type: CSS }],
]);

/** Files of the package that are served; its other files are not. */
const PACKAGE_FILES: ReadonlyMap<string, string> = new Map([
  ['swagger-ui-bundle.js', JAVASCRIPT],
  ['swagger-ui.css', CSS],
  ['favicon-32x32.png', 'image/png'],
]);

/** Returns a file of the page; undefined when it has none of that name. */
export async function readPageFile(name: string): Promise<PageFile | undefined> {
  const own = OWN_FILES.get(name);
  if (own !== undefined) return own;
  const type = PACKAGE_FILES.get(name);
  return type === undefined ? undefined : { text: await readFile(join(packageFolder(), name)), type };
}

function packageFolder(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@fastify/swagger-ui/package.json')), 'static');
}

/** Returns the address of a file, relative to the page. It contains a hash, since files are cached without revalidation. */
export async function addressOf(name: string): Promise<string> {
  const file = await readPageFile(name);
  const tag = createHash('sha256')
    .update(file?.text ?? '')
    .digest('base64url')
    .slice(0, 10);
  return `docs/${name}?v=${tag}`;
}
