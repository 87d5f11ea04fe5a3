// Private Node behaviour: emits `close` and removes listeners to take the HTTP parser off a socket, and emits `listening` on
// a server that never listens. It stays until Node can hand a socket of an HTTP server to another server.

import type { ServerOptions as HttpOptions, IncomingMessage } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { TlsFiles } from '../tls.ts';
import { limitSecure, secureOptions } from './secure-server.ts';

/** First byte of a TLS connection: a handshake record (RFC 8446 §5.1). No HTTP method begins with it. */
const HANDSHAKE = 0x16;
/** Events for requests, and for what Node emits in their place. */
const REQUEST_EVENTS = ['request', 'checkContinue', 'checkExpectation', 'connect', 'clientError'] as const;
/** Events of a socket to which Node's HTTP/1.1 code listens. */
const HTTP_EVENTS = ['data', 'end', 'close', 'drain', 'error', 'timeout', 'pause', 'resume'] as const;

export interface SharedPortOptions {
  readonly http: HttpOptions;
  readonly load: () => Promise<TlsFiles>;
  readonly onError: (error: unknown) => void;
  /** Called once, before the first connection. */
  readonly created: (server: Http2SecureServer) => void;
}

interface ParseError extends Error {
  readonly code?: string;
  readonly rawPacket?: unknown;
}

/**
 * TLS on the port of a plain HTTP server. The HTTP parser rejects the first byte of a TLS client, and the connection then
 * moves to a TLS server, which is created for the first such client. Connections without TLS pay nothing for it.
 */
export class SharedPort {
  readonly #options: SharedPortOptions;
  #app: FastifyInstance | undefined;
  #secure: Promise<Http2SecureServer> | undefined;
  #isClosed = false;

  constructor(options: SharedPortOptions) {
    this.#options = options;
  }

  /** Sets the server that handles the requests over TLS. */
  attach(app: FastifyInstance): void {
    this.#app = app;
    app.addHook('onClose', async () => {
      this.#isClosed = true;
      await this.#secure?.then(
        (server) => server.close(),
        () => {},
      );
    });
  }

  /** Returns true when a connection that failed to parse begins with TLS, and hands it over. */
  take({ code, rawPacket }: ParseError, socket: Duplex): boolean {
    if (code !== 'HPE_INVALID_METHOD' || !Buffer.isBuffer(rawPacket) || rawPacket[0] !== HANDSHAKE) return false;
    // A handshake inside of TLS is just invalid HTTP.
    if ('encrypted' in socket) return false;
    if ((socket as Socket).bytesRead !== rawPacket.length) return false;
    void this.#handOver(socket as Socket, rawPacket);
    return true;
  }

  async #handOver(socket: Socket, received: Buffer): Promise<void> {
    detachHttpParser(socket);
    socket.unshift(received);
    const abandon = () => void socket.destroy();
    socket.on('error', abandon);
    try {
      this.#secure ??= this.#create();
      const server = await this.#secure;
      if (this.#isClosed || socket.destroyed) return abandon();
      socket.off('error', abandon);
      server.emit('connection', socket);
    } catch (error) {
      this.#secure = undefined;
      this.#options.onError(error);
      abandon();
    }
  }

  async #create(): Promise<Http2SecureServer> {
    const { http, load, created } = this.#options;
    const server = createSecureServer(secureOptions(http, await load()));
    const plain = (this.#app as FastifyInstance).server;
    server.on('session', (session: ServerHttp2Session) => {
      session.setTimeout(http.keepAliveTimeout ?? 0, () => session.close());
    });
    created(server);
    limitSecure(server, http);
    Object.assign(server, { maxHeadersCount: plain.maxHeadersCount });
    for (const event of REQUEST_EVENTS) server.on(event, (...args: unknown[]) => plain.emit(event, ...args));
    // With a listener, Node passes all upgrade requests to it.
    if (plain.listenerCount('upgrade') > 0) {
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        plain.emit('upgrade', request, socket, head);
      });
    }
    // The server never listens itself, and Node starts to check for slow requests on this event.
    server.emit('listening');
    return server;
  }
}

/** Makes Node free the HTTP parser of a socket as if the socket had closed, and removes its listeners. */
function detachHttpParser(socket: Socket): void {
  socket.pause();
  socket.emit('close', false);
  for (const event of HTTP_EVENTS) socket.removeAllListeners(event);
}
