import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Lingering } from '../connection/lingering.ts';

interface OpenSocket {
  /** HTTP/2 is spoken on it. */
  session?: ServerHttp2Session;
  /** Requests of HTTP/1.1 over TLS that are not answered yet; of those without TLS, Node knows. */
  requests: number;
  readonly isSecure: boolean;
}

const PLAIN: OpenSocket = Object.freeze({ requests: 0, isSecure: false });

const byServer = new WeakMap<FastifyInstance['server'], OpenSockets>();

/** The sockets of a server on which HTTP is spoken, with and without TLS, until they close or are upgraded. */
export class OpenSockets {
  readonly #server: FastifyInstance['server'];
  readonly #sockets = new Map<Socket, OpenSocket>();
  readonly #lingering: Lingering;
  /** Sockets on which TLS has not been agreed on yet, by their peers. */
  readonly #handshakes = new Map<string, Socket>();

  constructor({ server }: FastifyInstance, lingering: Lingering) {
    this.#server = server;
    this.#lingering = lingering;
    byServer.set(server, this);
    const closeIdle = server.closeIdleConnections?.bind(server);
    // Node takes a connection for idle as soon as its answer was handed over, and cuts off what a slow reader has not read
    // yet. While something is on its way to a client nothing is idle; what closes the server asks again.
    server.closeIdleConnections = () => {
      for (const { writableLength } of this.#sockets.keys()) if (writableLength > 0) return;
      closeIdle?.();
    };
  }

  /** Keeps the sockets of HTTP/1.1 without TLS. */
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
   * Keeps the sockets of a TLS server: unlike that of HTTP/1.1 alone, Node's HTTP/2 server has no call that ends idle
   * connections, its `close` waits for all of them, and a session that has ended waits for its peer to close the socket.
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
 * Gives a socket to what upgrades it. Not by a listener for upgrades: with one, Node leaves the requests for them to it
 * alone, also where nothing upgrades them.
 */
export function releaseSocket({ server }: FastifyInstance, socket: Socket): void {
  byServer.get(server)?.release(socket);
}

/** Ends connections that wait for nothing; HTTP/2 sessions take no new streams (GOAWAY, RFC 9113 §6.8). */
export function closeIdleSockets({ server }: FastifyInstance): void {
  byServer.get(server)?.closeIdle();
}

/** Cuts off what is still open. */
export function closeAllSockets({ server }: FastifyInstance): void {
  byServer.get(server)?.closeAll();
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
