import { realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Compression } from '../config/config.ts';
import { makeCompressHook } from './content/compress-hook.ts';

export interface WebFolder {
  /** `/{app_id}` */
  readonly path: string;
  /** Absolute path of the folder whose files are served. */
  readonly dir: string;
}

/** A browser takes a file for what it is sent as, and for nothing else. */
function setHeaders(response: { setHeader(name: string, value: string): unknown }): void {
  response.setHeader('x-content-type-options', 'nosniff');
}

/** A link may not lead out of the folder, wherever it points. */
function isInside(dir: string): (path: string) => boolean {
  const root = realpathSync(dir);
  return (path) => {
    try {
      const real = realpathSync(join(root, decodeURIComponent(path)));
      return real === root || real.startsWith(root + sep);
    } catch {
      // There is no such file, which the plugin answers.
      return true;
    }
  };
}

/** Serves the static files of an application under its path. Dot files are not served, folders not listed. */
export async function registerWeb(
  app: FastifyInstance,
  { path, dir }: WebFolder,
  compression: Compression,
): Promise<void> {
  const { default: fastifyStatic } = await import('@fastify/static');
  await app.register(async (scope) => {
    scope.addHook('onSend', makeCompressHook(compression));
    await scope.register(fastifyStatic, {
      root: dir,
      prefix: `${path}/`,
      dotfiles: 'deny',
      decorateReply: false,
      setHeaders,
      allowedPath: isInside(dir),
    });
  });
  app.get(path, (_request, reply) => reply.redirect(`${path}/`, 308));
}
