import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Pipelined requests of one connection that wait; a client that sends more is disconnected, so that memory is bounded. */
const MAX_PIPELINED_REQUESTS = 100;

/**
 * Handles requests that are pipelined on one connection one after the other: only safe methods might run in parallel
 * (RFC 9112 §9.3.2). Node gives a response its socket when all responses before it are sent.
 */
export function registerRequestOrder(app: FastifyInstance): void {
  const waiting = new WeakMap<Socket, number>();
  app.addHook('onRequest', ({ raw: { socket } }, { raw }, done) => {
    // Never null in HTTP/2, where streams are independent.
    if (raw.socket !== null) {
      done();
      return;
    }
    const count = (waiting.get(socket) ?? 0) + 1;
    waiting.set(socket, count);
    if (count > MAX_PIPELINED_REQUESTS) {
      socket.destroy();
      return;
    }
    raw.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
      done();
    });
  });
}
