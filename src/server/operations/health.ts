import type { FastifyInstance } from 'fastify';
import { OWN_SEGMENT } from '../../config/reserved-paths.ts';
import { NEVER_KEPT } from '../response-headers.ts';

/** State of the server, shared by the parts that depend on it. */
export interface Lifecycle {
  /** True from the moment the server accepts requests. */
  ready: boolean;
  /** True from the moment the server begins to stop. */
  stopping: boolean;
}

/** State of the stores: whether they can be written, and have the changes of the other servers. */
export interface StoreState {
  isWritable(): boolean;
  isCurrent(): boolean;
}

const ALWAYS: StoreState = { isWritable: () => true, isCurrent: () => true };

/**
 * Registers `/_/health/live` (the process responds) and `/_/health/ready` (it accepts work; 503 while it starts, while it
 * stops, while a data directory cannot be written, and while the changes of other servers cannot be read), and the aliases without `/_`.
 */
export function registerHealth(app: FastifyInstance, lifecycle: Lifecycle, store = ALWAYS): void {
  for (const path of [`/${OWN_SEGMENT}/health`, '/health']) {
    app.get(`${path}/live`, (_request, reply) => reply.header('cache-control', NEVER_KEPT).send({ status: 'ok' }));
    app.get(`${path}/ready`, (_request, reply) => {
      reply.header('cache-control', NEVER_KEPT);
      const status = statusOf(lifecycle, store);
      if (status === 'ok') return { status };
      return reply.code(503).header('retry-after', '1').send({ status });
    });
  }
}

function statusOf({ ready, stopping }: Lifecycle, store: StoreState): string {
  if (stopping) return 'stopping';
  if (!ready) return 'starting';
  if (!store.isWritable()) return 'unwritable';
  return store.isCurrent() ? 'ok' : 'behind';
}
