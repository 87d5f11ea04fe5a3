import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';
import type { CompressionConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { makeCompressHook } from '../content/compress-hook.ts';
import { registerPageHeaders } from './page-headers.ts';

/** The built client as this package exports it; it finds itself by its own name. */
const CLIENT = 'tablecast/client';

interface Module {
  readonly text: string;
  readonly etag: string;
}

/** Serves the client for pages without a build step at these paths: `/{app_id}/client.js`. */
export function registerClientModule(
  app: FastifyInstance,
  paths: readonly string[],
  compression: CompressionConfig,
  read = readClientModule,
): void {
  let module: Promise<Module | undefined> | undefined;
  void app.register(async (scope) => {
    await registerPageHeaders(scope);
    scope.addHook('onSend', makeCompressHook(compression));
    for (const path of paths) {
      scope.get(path, async (request, reply) => {
        module ??= read();
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

async function readClientModule(): Promise<Module | undefined> {
  try {
    const text = await readFile(createRequire(import.meta.url).resolve(CLIENT), 'utf8');
    const tag = createHash('sha256').update(text).digest('base64url').slice(0, 16);
    // Weak: compressed or not, it is the same module.
    return { text, etag: `W/"${tag}"` };
  } catch {
    return undefined;
  }
}
