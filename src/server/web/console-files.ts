import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';

/** Export name by which the package finds its own built files. */
const BUILT = 'tablecast/client';

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/** Path below the folder: no segment begins with a dot, so that nothing above it is reached. */
const NAME = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/;
/** The bundler puts eight characters of a hash before the ending; one of words alone is taken for a part of the name. */
const HASHED = /[-.](?=[\w-]*[\dA-Z_])[\w-]{8}\.\w+$/;

export interface ConsoleFile {
  readonly body: Buffer;
  readonly type: string;
  readonly etag: string;
  /** True when the name changes with the content. */
  readonly isHashed: boolean;
}

/** Returns the folder of the built console; undefined when the package has not been built. */
export function findConsoleFolder(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(BUILT)), 'console');
  } catch {
    return undefined;
  }
}

/** Reads a file of the built console; undefined when it has none of that name. Source maps are not served. */
export async function readConsoleFile(folder: string, name: string): Promise<ConsoleFile | undefined> {
  const type = TYPES[extname(name).toLowerCase()];
  if (type === undefined || !NAME.test(name)) return undefined;
  try {
    return toFile(await readFile(join(folder, name)), type, HASHED.test(name));
  } catch {
    return undefined;
  }
}

/**
 * Reads the page of the console for an address this many segments below `/_console/`. The page names its files from its own
 * folder (`./main.js`), and no `<base>` may change that: so the server writes how far up they are.
 */
export async function readConsolePage(folder: string, depth: number): Promise<ConsoleFile | undefined> {
  const page = await readConsoleFile(folder, 'index.html');
  if (page === undefined || depth === 0) return page;
  const up = '../'.repeat(depth);
  const text = page.body.toString().replace(/\b(src|href)="\.\//g, `$1="${up}`);
  return toFile(Buffer.from(text), page.type, false);
}

function toFile(body: Buffer, type: string, isHashed: boolean): ConsoleFile {
  const tag = createHash('sha256').update(body).digest('base64url').slice(0, 16);
  // Weak, since the tag is the same with and without compression.
  return { body, type, etag: `W/"${tag}"`, isHashed };
}
