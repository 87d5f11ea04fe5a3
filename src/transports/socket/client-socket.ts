import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { EndReason, Sink } from '../../hub/subscription.ts';
import { TokenBucket } from '../../server/limits/token-bucket.ts';
import { type SocketOwner, watchDrain } from '../socket-sink.ts';
import { ErrorCount, MAX_ERRORS } from './error-count.ts';
import { encodeJson, PING_FRAME } from './text-frames.ts';

const CLIENT = Symbol('client');
type OwnedSocket = WebSocket & { [CLIENT]: ClientSocket };

/** Answers that a client does not read may wait up to this; then it is cut off. */
const MAX_UNREAD = 1024 * 1024;

/** What all sockets of a kind share; times in milliseconds. */
export interface SocketLimits {
  readonly pongTimeout: number;
  readonly slowClientTimeout: number;
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  /** Messages that may wait to be handled, and the bytes of one message, which all of them may have. */
  readonly waitingMessages: number;
  readonly message: number;
}

/**
 * One WebSocket: a sink, and a reader of messages. There may be tens of thousands, so it has no closures of its own and
 * writes frames that are ready made to the raw socket, between those of `ws`.
 */
export abstract class ClientSocket implements Sink, SocketOwner {
  slot = 0;
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

  /** A message that was within the limits of rate and size. */
  protected abstract take(data: Buffer, isBinary: boolean): void;
  /** A message as one whole frame. */
  protected encode(message: object): Buffer {
    return encodeJson(message);
  }
  /** The socket has closed. */
  abstract released(): void;
  /** The socket has room again. */
  abstract drained(): void;

  get pending(): number {
    return this.#socket.writableLength;
  }

  /** Whether no more is read for the time being. */
  protected get isPaused(): boolean {
    return this.#ws.isPaused;
  }

  /** A message was received and waits to be handled. Beyond the bound no more are read, and the client has to wait. */
  protected waits({ length }: Buffer): void {
    this.#waiting++;
    this.#waitingBytes += length;
    const { waitingMessages, message } = this.#limits;
    if (this.#waiting >= waitingMessages || this.#waitingBytes > message) this.#ws.pause();
  }

  /** One that has waited does so no more. */
  protected waitsNoMore({ length }: Buffer): void {
    this.#waiting--;
    this.#waitingBytes -= length;
    const { waitingMessages, message } = this.#limits;
    if (!this.#ws.isPaused || this.#waitingBytes > message) return;
    if (this.#waiting <= waitingMessages / 2) this.#ws.resume();
  }

  get isOpen(): boolean {
    return this.#ws.readyState === this.#ws.OPEN;
  }

  write(bytes: Buffer): void {
    if (this.isOpen) this.#socket.write(bytes);
  }

  ended(reason: EndReason): void {
    if (reason === 'slow') this.close(4408, 'no progress: resume with your position');
    else if (reason === 'lost') this.close(4408, 'too far behind: read the state afresh');
    else this.close(1011, 'failed on our side: resume with your position');
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
    // The answer of the client has to be read.
    if (this.#ws.isPaused) this.#ws.resume();
  }

  terminate(): void {
    this.#ws.terminate();
  }

  /**
   * Cuts off a peer that has been silent for too long, and asks the others for a sign of life. Where data waits, a
   * ping would wait behind it: there a socket that still takes bytes is alive, and it may be silent for longer.
   */
  beat(): void {
    const { pending } = this;
    // A client that is not read cannot be heard.
    if (pending !== this.#pendingAtBeat || this.#ws.isPaused) this.heard();
    this.#pendingAtBeat = pending;
    const { pongTimeout, slowClientTimeout } = this.#limits;
    const patience = pending === 0 ? pongTimeout : Math.max(pongTimeout, slowClientTimeout);
    if (performance.now() - this.#heardAt >= patience) this.#ws.terminate();
    else if (pending === 0) this.write(PING_FRAME);
  }

  /** An answer to this client alone. */
  answer(message: object): void {
    if (this.pending > MAX_UNREAD) this.#ws.terminate();
    else this.write(this.encode(message));
  }

  /** Tells the client what is wrong with its message; too many of those end the connection. */
  protected reject(message: object): void {
    this.answer(message);
    this.#errors ??= new ErrorCount();
    if (this.#errors.add()) this.close(1008, `more than ${MAX_ERRORS} bad messages in 10 s`);
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  received(data: Buffer, isBinary: boolean): void {
    this.heard();
    const { messagesPerSecond, messagesBurst } = this.#limits;
    this.#bucket ??= new TokenBucket(messagesPerSecond, messagesBurst);
    if (!this.#bucket.take()) this.close(1008, `more than ${messagesPerSecond} messages a second`);
    else if (this.isOpen) this.take(data, isBinary);
  }
}

function onMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  (this as OwnedSocket)[CLIENT].received(data, isBinary);
}

function onPong(this: WebSocket): void {
  (this as OwnedSocket)[CLIENT].heard();
}

function onClose(this: WebSocket): void {
  (this as OwnedSocket)[CLIENT].released();
}

/** Protocol errors: `ws` has closed with the right code by now, and a peer that broke off is no news. */
function onError(): void {}
