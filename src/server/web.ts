import type { FastifyInstance } from 'fastify';

export interface WebFolder {
  /** `/{app_id}` */
  readonly path: string;
  /** Absolute path of the folder whose files are served. */
  readonly dir: string;
}

/** Serves the static files of an application under its path. Dot files are not served, folders not listed. */
export async function registerWeb(app: FastifyInstance, { path, dir }: WebFolder): Promise<void> {
  const { default: fastifyStatic } = await import('@fastify/static');
  await app.register(fastifyStatic, { root: dir, prefix: `${path}/`, dotfiles: 'deny', decorateReply: false });
  app.get(path, (_request, reply) => reply.redirect(`${path}/`, 308));
}
