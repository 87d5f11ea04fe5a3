import type { FastifyInstance } from 'fastify';

/**
 * Handles requests that are pipelined on one connection one after the other: only those that change nothing might be
 * handled at the same time (RFC 9112 §9.3.2). The answer to a request has no socket as long as another one is before it.
 */
export function registerRequestOrder(app: FastifyInstance): void {
  app.addHook('onRequest', (_request, { raw }, done) => {
    // Of HTTP/2, where streams are independent, it is never null.
    if (raw.socket !== null) done();
    else raw.once('socket', () => done());
  });
}
