// Private Node behaviour: takes the HTTP parser off a socket by its `data` and `resume` listeners, and replaces
// `destroySoon`, which Node calls after a response. It stays until Node itself discards the rest of a request whose
// response was sent early: Node 20 to 24 close the socket.

import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Limits } from '../../config/config.ts';

/** Silence after which a client has its response, or does not want it. */
const MAX_SILENCE_MS = 5000;
/** Time for which a stopping server keeps a connection whose response has been sent. */
const MAX_STOPPING_MS = 1000;
const CHECK_INTERVAL_MS = 100;

export type LingeringLimits = Pick<Limits, 'lingerSize' | 'lingerTime' | 'lingerConnections'>;

interface DiscardedRequest {
  readonly since: number;
  receivedAt: number;
  bytes: number;
  readonly onData: (chunk: Buffer) => void;
}

const byServer = new WeakMap<object, Lingering>();

/** Returns the `Lingering` of the socket's server, if the server has one. */
export function lingeringOf(socket: Socket): Lingering | undefined {
  const { server } = socket as Socket & { readonly server?: object };
  return server && byServer.get(server);
}

/**
 * Connections on which the response was sent before the whole request had arrived. A socket that is closed while bytes wait
 * in its receive buffer is reset, and a reset can destroy a response that the client has not read yet. So the rest of the
 * request is read and discarded (RFC 9112 §9.6): up to `lingerSize` bytes and `lingerTime`, on up to `lingerConnections`
 * connections. Beyond that, the oldest connection is closed.
 */
export class Lingering {
  readonly #limits: LingeringLimits;
  /** Oldest first. */
  readonly #sockets = new Map<Duplex, DiscardedRequest>();
  #timer: NodeJS.Timeout | undefined;
  #maxTime: number;

  constructor(limits: LingeringLimits) {
    this.#limits = limits;
    this.#maxTime = limits.lingerTime;
  }

  /** Makes `lingeringOf` find this object for connections of the server. */
  serve(server: Server): void {
    byServer.set(server, this);
  }

  get size(): number {
    return this.#sockets.size;
  }

  has(socket: Duplex): boolean {
    return this.#sockets.has(socket);
  }

  /**
   * Called when a response has been written and its request is still arriving. Node then either keeps the connection, for
   * which it has to read the request first, or calls `destroySoon`.
   */
  answered(request: IncomingMessage, socket: Socket): void {
    if (socket.destroyed || this.has(socket)) return;
    const { destroySoon } = socket;
    this.#discard(socket, () => {
      if (!request.complete) return;
      socket.destroySoon = destroySoon;
      this.#forget(socket);
    });
    socket.destroySoon = () => this.close(socket);
  }

  /** Closes a connection on which everything was written: the client receives the end, and what it still sends is discarded. */
  close(socket: Duplex): void {
    if (socket.destroyed) return;
    this.#forget(socket);
    // The HTTP parser must not find another request in what follows.
    socket.removeAllListeners('data');
    socket.on('error', ignore);
    this.#discard(socket);
    socket.end();
  }

  /** Shortens the time of all connections. Called when the server stops. */
  hurry(): void {
    this.#maxTime = Math.min(this.#maxTime, MAX_STOPPING_MS);
  }

  closeAll(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  #discard(socket: Duplex, received?: () => void): void {
    const now = performance.now();
    const onData = (chunk: Buffer): void => {
      discarded.bytes += chunk.length;
      discarded.receivedAt = performance.now();
      if (discarded.bytes > this.#limits.lingerSize) socket.destroy();
      else received?.();
    };
    const discarded = { since: now, receivedAt: now, bytes: 0, onData };
    const [oldest] = this.#sockets.keys();
    if (this.#sockets.size >= this.#limits.lingerConnections) oldest?.destroy();
    this.#sockets.set(socket, discarded);
    // The HTTP parser may have paused the socket; it resumes it on this event. Node takes the parser off a socket that gets
    // a `data` listener.
    socket.resume();
    socket.emit('resume');
    socket.on('data', onData);
    socket.once('close', () => this.#forget(socket));
    this.#timer ??= setInterval(() => this.#check(), CHECK_INTERVAL_MS).unref();
  }

  #forget(socket: Duplex): void {
    const discarded = this.#sockets.get(socket);
    if (discarded === undefined) return;
    socket.off('data', discarded.onData);
    this.#sockets.delete(socket);
    if (this.#sockets.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const now = performance.now();
    for (const [socket, { since, receivedAt }] of this.#sockets) {
      if (now - since > this.#maxTime || now - receivedAt > MAX_SILENCE_MS) socket.destroy();
    }
  }
}

/** Ignores socket errors: the client may have disconnected already. */
function ignore(): void {}
