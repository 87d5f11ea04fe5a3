import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Limits } from '../../config/config.ts';

/** A client that has sent nothing for so long has its answer, or does not want it. */
const MAX_SILENCE_MS = 5000;
/** A server that stops waits no longer than this for a connection whose answer has been sent. */
const MAX_STOPPING_MS = 1000;
const CHECK_INTERVAL_MS = 100;

export type LingeringLimits = Pick<Limits, 'lingerSize' | 'lingerTime' | 'lingerConnections'>;

interface Discarded {
  readonly since: number;
  heardAt: number;
  bytes: number;
  readonly onData: (chunk: Buffer) => void;
}

const byServer = new WeakMap<object, Lingering>();

/** What discards the rest of requests on connections of this socket's server, if the server has one. */
export function lingeringOf(socket: Socket): Lingering | undefined {
  const { server } = socket as Socket & { readonly server?: object };
  return server && byServer.get(server);
}

/**
 * Connections on which the answer was sent before the request had arrived. A socket that is closed while bytes wait in its
 * receive buffer is reset, and a reset takes the answer from the client that has not read it yet. So the rest of the
 * request is read and discarded (RFC 9112 §9.6): up to `lingerSize` bytes and `lingerTime`, on up to `lingerConnections`
 * connections, of which the oldest is closed for a new one.
 */
export class Lingering {
  readonly #limits: LingeringLimits;
  /** The oldest first. */
  readonly #sockets = new Map<Duplex, Discarded>();
  #timer: NodeJS.Timeout | undefined;
  #maxTime: number;

  constructor(limits: LingeringLimits) {
    this.#limits = limits;
    this.#maxTime = limits.lingerTime;
  }

  /** Has answers on connections of this server linger. */
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
   * An answer has been written, and its request is still arriving. Node then either goes on with the connection, which
   * has to read the request first, or calls `destroySoon`.
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

  /** Closes a connection on which everything was written: its client is sent the end, and what it still sends is discarded. */
  close(socket: Duplex): void {
    if (socket.destroyed) return;
    this.#forget(socket);
    // The HTTP parser must not find another request in what follows.
    socket.removeAllListeners('data');
    socket.on('error', ignore);
    this.#discard(socket);
    socket.end();
  }

  /** The server stops. */
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
      discarded.heardAt = performance.now();
      if (discarded.bytes > this.#limits.lingerSize) socket.destroy();
      else received?.();
    };
    const discarded = { since: now, heardAt: now, bytes: 0, onData };
    const [oldest] = this.#sockets.keys();
    if (this.#sockets.size >= this.#limits.lingerConnections) oldest?.destroy();
    this.#sockets.set(socket, discarded);
    // The HTTP parser may have stopped the socket. It starts it again on this event, and a listener for data takes the
    // parser off.
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
    for (const [socket, { since, heardAt }] of this.#sockets) {
      if (now - since > this.#maxTime || now - heardAt > MAX_SILENCE_MS) socket.destroy();
    }
  }
}

/** The client may be gone already. */
function ignore(): void {}
