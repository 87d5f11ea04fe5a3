import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { endIfExpired } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import type { AppError } from '../../errors.ts';
import type { EndReason, Sink } from '../../hub/subscription.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { TokenBucket } from '../../server/limits/token-bucket.ts';
import { type Connection, type Opened, type SocketOwner, watchDrain } from '../connections.ts';
import { formatExpiry } from './auth-message.ts';
import { encodeJson, errorMessage, PING_FRAME } from './text-frames.ts';

const CLIENT = Symbol('client');
type OwnedSocket = WebSocket & { [CLIENT]: ClientSocket };

/** Bytes of answers that a client may leave unread before it is cut off. */
export const MAX_UNREAD_BYTES = 1024 * 1024;

/** Limits of all sockets of a kind; times in milliseconds. */
export interface SocketLimits {
  readonly pongTimeout: number;
  readonly slowClientTimeout: number;
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  /** Messages of one client that may wait to be handled. */
  readonly waitingMessages: number;
  /** Bytes of one message, and of all that wait. */
  readonly message: number;
}

/**
 * One WebSocket: a sink, and a reader of messages. There may be tens of thousands, so it has no listeners of its own and
 * writes complete frames to the raw socket, between those of `ws`.
 */
export abstract class ClientSocket implements Connection, Sink, SocketOwner {
  abstract identity: Identity;
  release = noRelease;
  opened: Opened | undefined;
  readonly #limits: SocketLimits;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  #heardAt = performance.now();
  #bucket: TokenBucket | undefined;
  #errors: ErrorCount | undefined;
  #pendingAtBeat = 0;
  #waiting = 0;
  #waitingBytes = 0;

  constructor(ws: WebSocket, socket: Socket, limits: SocketLimits) {
    this.#limits = limits;
    this.#ws = ws;
    this.#socket = socket;
    (ws as OwnedSocket)[CLIENT] = this;
    ws.on('message', onMessage);
    ws.on('pong', onPong);
    ws.on('close', onClose);
    ws.on('error', onError);
    watchDrain(socket, this);
  }

  /** Handles a message that is within the limits of rate and size. */
  protected abstract take(data: Buffer, isBinary: boolean): void;
  /** Called once when the socket has closed. */
  protected abstract closed(): void;
  /** Called when the socket has room again. */
  abstract drained(): void;
  abstract reauthorize(): void;
  abstract describe(): ConnectionDescription;

  /** Encodes a message as one whole frame. */
  protected encode(message: object): Buffer {
    return encodeJson(message);
  }

  get carrier(): 'websocket' {
    return 'websocket';
  }

  get pending(): number {
    return this.#socket.writableLength;
  }

  get isOpen(): boolean {
    return this.#ws.readyState === this.#ws.OPEN;
  }

  /** True while nothing is read from the client. */
  protected get isPaused(): boolean {
    return this.#ws.isPaused;
  }

  /** Counts a message that waits to be handled. At the bound, reading pauses, and the client has to wait. */
  protected messageWaits({ length }: Buffer): void {
    this.#waiting++;
    this.#waitingBytes += length;
    const { waitingMessages, message } = this.#limits;
    if (this.#waiting >= waitingMessages || this.#waitingBytes > message) this.#ws.pause();
  }

  /** Counts off a message that has waited. */
  protected messageTaken({ length }: Buffer): void {
    this.#waiting--;
    this.#waitingBytes -= length;
    const { waitingMessages, message } = this.#limits;
    if (!this.#ws.isPaused || this.#waitingBytes > message) return;
    if (this.#waiting <= waitingMessages / 2) this.#ws.resume();
  }

  write(bytes: Buffer): void {
    if (this.isOpen && !endIfExpired(this)) this.#socket.write(bytes);
  }

  ended(reason: EndReason, error?: AppError): void {
    if (reason === 'refused' && error !== undefined) this.#endRefused(error);
    else if (reason === 'slow') this.close(4408, 'no progress: resume with your position');
    else if (reason === 'lost') this.close(4408, 'too far behind: read the state again');
    else this.close(1011, 'internal error: resume with your position');
  }

  /** Tells why the query is refused, before the connection closes. */
  #endRefused(error: AppError): void {
    this.answer(errorMessage(error, undefined));
    this.close(4400, `${error.code}: ask for less`);
  }

  expiring(expiresAt: number): void {
    this.answer({ type: 'token_expiring', expires_at: formatExpiry(expiresAt) });
  }

  expired(): void {
    this.close(4401, 'token expired');
  }

  revoked(): void {
    this.close(4403, 'no longer allowed');
  }

  stop(): void {
    this.close(1001, 'the server stops');
  }

  abort(): void {
    this.#ws.terminate();
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
    // The answer of the client has to be read.
    if (this.#ws.isPaused) this.#ws.resume();
  }

  /**
   * Cuts off a peer that has been silent for too long, and pings the others. Where data waits, a ping would wait behind
   * it: there a socket that still takes bytes is alive, and it may be silent for longer.
   */
  beat(): void {
    const { pending } = this;
    // A pong of a client that is not read cannot arrive.
    if (pending !== this.#pendingAtBeat || this.#ws.isPaused) this.heard();
    this.#pendingAtBeat = pending;
    const { pongTimeout, slowClientTimeout } = this.#limits;
    const patience = pending === 0 ? pongTimeout : Math.max(pongTimeout, slowClientTimeout);
    if (performance.now() - this.#heardAt >= patience) this.abort();
    else if (pending === 0) this.write(PING_FRAME);
  }

  /** Sends a message to this client alone. */
  answer(message: object): void {
    if (this.pending > MAX_UNREAD_BYTES) this.abort();
    else this.write(this.encode(message));
  }

  /** Reports what is wrong with a message; too many such messages close the connection. */
  reject(message: object): void {
    this.answer(message);
    this.#errors ??= new ErrorCount();
    if (this.#errors.add()) this.close(1008, `more than ${MAX_ERRORS} bad messages in ${ERROR_WINDOW_SECONDS} s`);
  }

  /** Notes that the peer is alive. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Called by the listeners alone. */
  received(data: Buffer, isBinary: boolean): void {
    this.heard();
    const { messagesPerSecond, messagesBurst } = this.#limits;
    this.#bucket ??= new TokenBucket(messagesPerSecond, messagesBurst);
    if (!this.#bucket.take()) this.close(1008, `more than ${messagesPerSecond} messages a second`);
    else if (this.isOpen) this.take(data, isBinary);
  }

  /** Called by the listeners alone. */
  disconnected(): void {
    this.closed();
    this.release();
  }
}

function noRelease(): void {}

function onMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  (this as OwnedSocket)[CLIENT].received(data, isBinary);
}

function onPong(this: WebSocket): void {
  (this as OwnedSocket)[CLIENT].heard();
}

function onClose(this: WebSocket): void {
  (this as OwnedSocket)[CLIENT].disconnected();
}

/** Protocol errors: `ws` has closed with the right code by now, and a peer that breaks off is not reported. */
function onError(): void {}

/** Bad messages of one client within the window; more of them close its connection. */
export const MAX_ERRORS = 20;
export const ERROR_WINDOW_SECONDS = 10;

/** Counts the bad messages of one client. */
export class ErrorCount {
  #count = 0;
  /** Start of the window, in milliseconds of the monotonic clock. */
  #since = 0;

  /** Counts one more; true when there are too many. */
  add(): boolean {
    const now = performance.now();
    if (now - this.#since > ERROR_WINDOW_SECONDS * 1000) {
      this.#since = now;
      this.#count = 0;
    }
    return ++this.#count > MAX_ERRORS;
  }
}
