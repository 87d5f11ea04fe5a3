import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Requests of one connection that wait for their turn; whoever sends more gets no further, and costs no more memory. */
const MOST_WAITING = 100;

/**
 * Handles requests that are pipelined on one connection one after the other: only those that change nothing might be
 * handled at the same time (RFC 9112 §9.3.2). The answer to a request has no socket as long as another one is before it.
 */
export function registerRequestOrder(app: FastifyInstance): void {
  const waiting = new WeakMap<Socket, number>();
  app.addHook('onRequest', ({ raw: { socket } }, { raw }, done) => {
    // Of HTTP/2, where streams are independent, it is never null.
    if (raw.socket !== null) {
      done();
      return;
    }
    const count = (waiting.get(socket) ?? 0) + 1;
    waiting.set(socket, count);
    if (count > MOST_WAITING) {
      socket.destroy();
      return;
    }
    raw.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
      done();
    });
  });
}
