import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

interface OpenSocket {
  /** HTTP/2 is spoken on it. */
  session?: ServerHttp2Session;
  /** Requests of HTTP/1.1 that are not answered yet. */
  requests: number;
}

const trackers = new WeakMap<FastifyInstance['server'], Map<Socket, OpenSocket>>();
/** The sockets of each server on which HTTP is spoken. */
const answering = new WeakMap<FastifyInstance['server'], Set<Socket>>();

/**
 * Lets a server, when it closes, send what it has answered: Node takes a connection for idle as soon as its answer was
 * handed over, and cuts off what a slow reader has not read yet. While something is on its way to somebody it finds nobody
 * idle here; whoever closes the server asks again. `event`: that of a new connection.
 */
export function finishAnswers({ server }: FastifyInstance, event: 'connection' | 'secureConnection'): void {
  const sockets = new Set<Socket>();
  answering.set(server, sockets);
  function forget(this: Socket): void {
    sockets.delete(this);
  }
  server.prependListener(event, (socket: Socket) => {
    if (sockets.has(socket)) return;
    sockets.add(socket);
    socket.once('close', forget);
  });
  const closeIdle = server.closeIdleConnections?.bind(server);
  server.closeIdleConnections = () => {
    for (const { writableLength } of sockets) if (writableLength > 0) return;
    closeIdle?.();
  };
}

/**
 * Keeps the sockets of a TLS server: unlike that of HTTP/1.1 alone, Node's HTTP/2 server has no call that ends idle
 * connections, its `close` waits for all of them, and a session that has ended waits for its peer to close the socket.
 */
export function trackSockets(app: FastifyInstance): void {
  const sockets = new Map<Socket, OpenSocket>();
  const { server } = app;
  trackers.set(server, sockets);
  let newest: OpenSocket | undefined;
  // Before Node's own listener, which makes the session of the socket and tells of it at once.
  server.prependListener('secureConnection', (socket: Socket) => {
    newest = { requests: 0 };
    sockets.set(socket, newest);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session: ServerHttp2Session) => {
    if (newest !== undefined) newest.session = session;
  });
  server.on('request', ({ socket, httpVersionMajor }: IncomingMessage, response: ServerResponse) => {
    const open = httpVersionMajor === 1 ? sockets.get(socket) : undefined;
    if (open === undefined) return;
    open.requests++;
    response.once('close', () => open.requests--);
  });
}

/**
 * Gives a socket to whoever upgrades it. Not by a listener for upgrades: with one, Node leaves the requests for them to it
 * alone, also where nobody upgrades anything.
 */
export function releaseSocket({ server }: FastifyInstance, socket: Socket): void {
  trackers.get(server)?.delete(socket);
  answering.get(server)?.delete(socket);
}

/** Ends connections that wait for nothing; HTTP/2 sessions take no new streams (GOAWAY, RFC 9113 §6.8). */
export function closeIdleSockets(app: FastifyInstance): void {
  app.server.closeIdleConnections?.();
  for (const [socket, { session, requests }] of trackers.get(app.server) ?? []) {
    if (session === undefined) {
      if (requests === 0) socket.destroySoon();
    } else if (!session.closed) {
      session.close();
    } else if (session.destroyed && socket.writableLength === 0) {
      socket.destroy();
    }
  }
}

/** Cuts off what is still open. */
export function closeAllSockets(app: FastifyInstance): void {
  app.server.closeAllConnections?.();
  for (const socket of trackers.get(app.server)?.keys() ?? []) socket.destroy();
}
