// Private Node behaviour: replaces `closeIdleConnections`, which cuts off responses that a slow client has not read yet,
// and relies on the order of Node's own listeners for `secureConnection`. It stays until Node closes idle connections
// only after their last byte is sent, and does so for its HTTP/2 server, too.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Lingering } from './lingering.ts';

interface OpenSocket {
  /** Session of an HTTP/2 connection. */
  session?: ServerHttp2Session;
  /** Requests of HTTP/1.1 over TLS without a response yet; without TLS, Node counts them. */
  requests: number;
  readonly isSecure: boolean;
}

const PLAIN: OpenSocket = Object.freeze({ requests: 0, isSecure: false });

const byServer = new WeakMap<FastifyInstance['server'], OpenSockets>();

/** HTTP connections of a server, with and without TLS, until they close or are upgraded. */
export class OpenSockets {
  readonly #server: FastifyInstance['server'];
  readonly #sockets = new Map<Socket, OpenSocket>();
  readonly #lingering: Lingering;
  /** Sockets in a TLS handshake, by address and port of the client. */
  readonly #handshakes = new Map<string, Socket>();

  constructor({ server }: FastifyInstance, lingering: Lingering) {
    this.#server = server;
    this.#lingering = lingering;
    byServer.set(server, this);
    const closeIdle = server.closeIdleConnections?.bind(server);
    // Node counts a connection as idle as soon as its response is passed to the socket, and cuts off what a slow client has
    // not read yet. While any socket has bytes to write nothing is closed; a stopping server calls it repeatedly.
    server.closeIdleConnections = () => {
      for (const { writableLength } of this.#sockets.keys()) if (writableLength > 0) return;
      closeIdle?.();
    };
  }

  /** Tracks the sockets of HTTP/1.1 without TLS. */
  trackPlain(server: Server): void {
    const sockets = this.#sockets;
    function forget(this: Socket): void {
      sockets.delete(this);
    }
    server.prependListener('connection', (socket: Socket) => {
      if (sockets.has(socket)) return;
      sockets.set(socket, PLAIN);
      socket.once('close', forget);
    });
  }

  /**
   * Tracks the sockets of a TLS server. Unlike the HTTP/1.1 server, Node's HTTP/2 server has no call that ends idle
   * connections, its `close` waits for all of them, and a session that has ended waits for the client to close the socket.
   */
  trackSecure(server: Server): void {
    server.prependListener('connection', (raw: Socket) => {
      const key = peerOf(raw);
      this.#handshakes.set(key, raw);
      raw.once('close', () => this.#handshakes.delete(key));
    });
    let newest: OpenSocket | undefined;
    // Before Node's own listener, which makes the session of the socket and reports it at once.
    server.prependListener('secureConnection', (socket: Socket) => {
      this.#handshakes.delete(peerOf(socket));
      newest = { requests: 0, isSecure: true };
      if (this.#sockets.has(socket)) return;
      this.#sockets.set(socket, newest);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('session', (session: ServerHttp2Session) => {
      if (newest !== undefined) newest.session = session;
    });
    server.on('request', ({ socket, httpVersionMajor }: IncomingMessage, response: ServerResponse) => {
      const open = httpVersionMajor === 1 ? this.#sockets.get(socket) : undefined;
      if (open === undefined) return;
      open.requests++;
      response.once('close', () => open.requests--);
    });
  }

  release(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  closeIdle(): void {
    this.#lingering.hurry();
    for (const socket of this.#handshakes.values()) socket.destroy();
    this.#server.closeIdleConnections?.();
    for (const [socket, { session, requests, isSecure }] of this.#sockets) {
      if (!isSecure || this.#lingering.has(socket)) continue;
      if (session === undefined) {
        if (requests === 0) socket.destroySoon();
      } else if (!session.closed) {
        session.close();
      } else if (session.destroyed && socket.writableLength === 0) {
        socket.destroy();
      }
    }
  }

  closeAll(): void {
    this.#server.closeAllConnections?.();
    this.#lingering.closeAll();
    for (const socket of this.#handshakes.values()) socket.destroy();
    for (const [socket, { isSecure }] of this.#sockets) if (isSecure) socket.destroy();
  }
}

/**
 * Stops tracking a socket that is upgraded. Called by the upgrade itself: with a listener for `upgrade`, Node would pass all
 * upgrade requests to it, also where nothing upgrades them.
 */
export function releaseSocket({ server }: FastifyInstance, socket: Socket): void {
  byServer.get(server)?.release(socket);
}

/** Closes idle connections; HTTP/2 sessions accept no new streams (GOAWAY, RFC 9113 §6.8). */
export function closeIdleSockets({ server }: FastifyInstance): void {
  byServer.get(server)?.closeIdle();
}

/** Destroys every connection that is still open. */
export function closeAllSockets({ server }: FastifyInstance): void {
  byServer.get(server)?.closeAll();
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
