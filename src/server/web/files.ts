import { realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { CompressionConfig } from '../../config/config.ts';
import { trackFiles } from '../checks/known-methods.ts';
import { makeCompressHook } from '../content/compress-hook.ts';
import { registerPageHeaders } from './page-headers.ts';

export interface WebFolder {
  /** `/{app_id}` */
  readonly path: string;
  /** Absolute path of the folder whose files are served. */
  readonly dir: string;
  /** Content-Security-Policy of the files; false for none. */
  readonly policy: string | false;
}

/** Makes a check that a path, with symbolic links resolved, stays inside the folder. */
function isInside(dir: string): (path: string) => boolean {
  const root = realpathSync(dir);
  return (path) => {
    try {
      const real = realpathSync(join(root, decodeURIComponent(path)));
      return real === root || real.startsWith(root + sep);
    } catch {
      // The file does not exist; the plugin answers that.
      return true;
    }
  };
}

/** Makes a check that a file of the folder is served at a path of the server. */
function hasFile({ path: prefix, dir }: WebFolder): (path: string) => boolean {
  const isWithin = isInside(dir);
  return (path) => {
    if (!path.startsWith(`${prefix}/`)) return false;
    const below = path.slice(prefix.length).replace(/\/$/, '/index.html');
    try {
      const name = decodeURIComponent(below);
      return !/\/\./.test(name) && isWithin(below) && statSync(join(dir, name)).isFile();
    } catch {
      return false;
    }
  };
}

/** Serves the static files of an application below its path. Dot files are not served, folders not listed. */
export async function registerWeb(
  app: FastifyInstance,
  folder: WebFolder,
  compression: CompressionConfig,
): Promise<void> {
  const { path, dir, policy } = folder;
  trackFiles(app, hasFile(folder));
  const { default: fastifyStatic } = await import('@fastify/static');
  await app.register(async (scope) => {
    await registerPageHeaders(scope);
    scope.addHook('onSend', makeCompressHook(compression));
    await scope.register(fastifyStatic, {
      root: dir,
      prefix: `${path}/`,
      dotfiles: 'deny',
      decorateReply: false,
      setHeaders: (response) => {
        if (policy !== false) response.setHeader('content-security-policy', policy);
      },
      allowedPath: isInside(dir),
    });
    // Relative, since a proxy may have removed a part of the path.
    const target = `${path.slice(path.lastIndexOf('/') + 1)}/`;
    scope.get(path, (_request, reply) => reply.redirect(target, 308));
  });
}
