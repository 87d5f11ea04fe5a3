import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { CompressionConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { makeCompressHook } from '../content/compress-hook.ts';
import { registerPageHeaders } from './page-headers.ts';

/** Export name of the built client: a package resolves its own name. Beside it are the files for pages. */
const CLIENT = 'tablecast/client';

/** A built file and its path: `/{app_id}/_/client.js`. */
export interface ServedModule {
  readonly path: string;
  readonly file: 'client-page.js' | 'client-connector.js';
}

interface ClientModule {
  readonly text: string;
  readonly etag: string;
}

/** Serves the built client to pages without a build step. */
export function registerClientModules(
  app: FastifyInstance,
  served: readonly ServedModule[],
  compression: CompressionConfig,
  read = readClientModule,
): void {
  const modules = new Map<string, Promise<ClientModule | undefined>>();
  void app.register(async (scope) => {
    await registerPageHeaders(scope);
    scope.addHook('onSend', makeCompressHook(compression));
    for (const { path, file } of served) {
      scope.get(path, async (request, reply) => {
        const module = modules.get(file) ?? read(file);
        modules.set(file, module);
        const found = await module;
        if (found === undefined) throw new AppError('NOT_FOUND', 'The client has not been built.');
        reply.header('etag', found.etag).header('cache-control', 'no-cache');
        const known = request.headers['if-none-match'];
        if (known?.split(',').some((tag) => tag.trim() === found.etag)) return reply.code(304).send();
        return reply.type('text/javascript; charset=utf-8').send(found.text);
      });
    }
  });
}

async function readClientModule(file: string): Promise<ClientModule | undefined> {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(CLIENT));
    const text = await readFile(join(folder, file), 'utf8');
    const tag = createHash('sha256').update(text).digest('base64url').slice(0, 16);
    // Weak, since the tag is the same with and without compression.
    return { text, etag: `W/"${tag}"` };
  } catch {
    return undefined;
  }
}
