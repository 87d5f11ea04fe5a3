import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, sep } from 'node:path';
import { ROOT } from '../support/pages.ts';

export const DIST = join(ROOT, 'site/dist');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** Returns the built files as paths with slashes. */
export function listBuilt(): string[] {
  return readdirSync(DIST, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(DIST.length + 1)
        .split(sep)
        .join('/'),
    );
}

/** Returns the built file that an address path leads to, or undefined. */
export function findBuilt(path: string): string | undefined {
  const file = path.endsWith('/') ? `${path}index.html` : path;
  return existsSync(join(DIST, file)) && statSync(join(DIST, file)).isFile() ? file : undefined;
}

/** The built site on a port of its own, as any host of static files serves it. */
export class ServedSite implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<ServedSite> {
    const server = createServer((request, response) => {
      const file = findBuilt(decodeURI(new URL(request.url ?? '/', 'http://site').pathname));
      response.writeHead(file === undefined ? 404 : 200, { 'content-type': TYPES[extname(file ?? '')] ?? 'text/html' });
      if (file === undefined) response.end('not found');
      else createReadStream(join(DIST, file)).pipe(response);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return new ServedSite(server);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}
