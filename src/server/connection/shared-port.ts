import type { ServerOptions as HttpOptions, IncomingMessage } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { limitSecure, secureOptions } from './secure-server.ts';
import type { TlsFiles } from './tls.ts';

/** The first byte of a TLS connection: a record of the handshake (RFC 8446 §5.1). No method of HTTP begins with it. */
const HANDSHAKE = 0x16;
/** Requests, and what Node emits in their place. */
const REQUEST_EVENTS = ['request', 'checkContinue', 'checkExpectation', 'connect', 'clientError'] as const;
/** Of these Node has listeners on a socket on which HTTP/1.1 is spoken. */
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
 * TLS on the port of a plain HTTP server. The HTTP parser finds the first byte of a TLS client wrong, and the connection then
 * goes to a TLS server, which is made when the first one comes; so connections without TLS pay nothing for it.
 */
export class SharedPort {
  readonly #options: SharedPortOptions;
  #app: FastifyInstance | undefined;
  #secure: Promise<Http2SecureServer> | undefined;
  #isClosed = false;

  constructor(options: SharedPortOptions) {
    this.#options = options;
  }

  /** Whose requests those over TLS are. */
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

  /** Whether a connection that begins with what is not HTTP begins with TLS; then it goes on as such. */
  take({ code, rawPacket }: ParseError, socket: Duplex): boolean {
    if (code !== 'HPE_INVALID_METHOD' || !Buffer.isBuffer(rawPacket) || rawPacket[0] !== HANDSHAKE) return false;
    // Within TLS it would be no more than what is not HTTP.
    if ('encrypted' in socket) return false;
    if ((socket as Socket).bytesRead !== rawPacket.length) return false;
    void this.#handOver(socket as Socket, rawPacket);
    return true;
  }

  async #handOver(socket: Socket, received: Buffer): Promise<void> {
    takeFromHttp(socket);
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
    for (const event of REQUEST_EVENTS) server.on(event, (...given: unknown[]) => plain.emit(event, ...given));
    // With a listener Node leaves all requests for upgrades to it.
    if (plain.listenerCount('upgrade') > 0) {
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        plain.emit('upgrade', request, socket, head);
      });
    }
    // It never listens itself, and Node looks for requests that take too long from then on.
    server.emit('listening');
    return server;
  }
}

/** Has Node give up its HTTP parser as if the socket had closed, with nothing of it left on the socket. */
function takeFromHttp(socket: Socket): void {
  socket.pause();
  socket.emit('close', false);
  for (const event of HTTP_EVENTS) socket.removeAllListeners(event);
}
