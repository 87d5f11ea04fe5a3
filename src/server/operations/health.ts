import type { FastifyInstance } from 'fastify';
import { NEVER_KEPT } from '../cache-control.ts';

/** What the server is doing; shared with everything that must know. */
export interface Lifecycle {
  /** Set when it takes requests. */
  ready: boolean;
  /** Set from the moment it was asked to stop. */
  stopping: boolean;
}

/**
 * `/health/live`: the process answers. `/health/ready`: it takes work; 503 before that, while it stops, and while a storage
 * cannot be written.
 */
export function registerHealth(app: FastifyInstance, lifecycle: Lifecycle, isWritable = () => true): void {
  app.get('/health/live', (_request, reply) => reply.header('cache-control', NEVER_KEPT).send({ status: 'ok' }));
  app.get('/health/ready', (_request, reply) => {
    reply.header('cache-control', NEVER_KEPT);
    const status = statusOf(lifecycle, isWritable);
    if (status === 'ok') return { status };
    return reply.code(503).header('retry-after', '1').send({ status });
  });
}

function statusOf({ ready, stopping }: Lifecycle, isWritable: () => boolean): string {
  if (stopping) return 'stopping';
  if (!ready) return 'starting';
  return isWritable() ? 'ok' : 'unwritable';
}
