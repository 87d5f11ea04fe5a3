import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AppAuth } from '../../auth/app-auth.ts';
import type { Identity } from '../../auth/identity.ts';
import { hasExpired, type OpenConnection } from '../../auth/open-connections.ts';
import { AppError } from '../../errors.ts';
import type { RealtimeConnection } from '../../hooks/realtime-hooks.ts';
import type { EndReason, Sink, Subscription } from '../../hub/subscription.ts';
import type { TableResource } from '../../resources/table-resource.ts';
import { TokenBucket } from '../../server/token-bucket.ts';
import type { Key } from '../../store/store.ts';
import { type SocketOwner, watchDrain } from '../socket-sink.ts';
import { formatExpiry } from './auth-message.ts';
import { encodeJson, PING_FRAME } from './frames.ts';
import { handleMessage } from './messages.ts';

const CONNECTION = Symbol('connection');
type OwnedSocket = WebSocket & { [CONNECTION]: WsConnection };

/** More bad messages than this in ten seconds are no mistake any more. */
const MAX_ERRORS = 20;
const ERROR_WINDOW = 10_000;
/** Answers that a client does not read may wait up to this; then it is cut off. */
const MAX_UNREAD = 1024 * 1024;
/** Messages that may wait for a hook before no more are read. */
const MAX_WAITING = 16;

/** What all connections of one table or record share. */
export interface ConnectionContext {
  readonly resource: TableResource;
  /** Undefined where nobody is asked who they are. */
  readonly auth: AppAuth | undefined;
  readonly pongTimeout: number;
  readonly slowClientTimeout: number;
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  readonly onError: (error: unknown) => void;
}

/**
 * One WebSocket: the sink of its subscription, and the reader of its messages. There may be tens of thousands, so it
 * has no closures of its own and writes frames that are ready made to the raw socket, between those of `ws`.
 */
export class WsConnection implements Sink, SocketOwner, OpenConnection {
  readonly context: ConnectionContext;
  /** The record of a record channel. */
  readonly id: Key | undefined;
  /** The id that the client gave itself: its refs are known when they come again. */
  readonly client: string | undefined;
  identity: Identity;
  /** What was asked for, for those whose rights may change. */
  readonly rawQuery: string;
  /** As the application's hooks know it. */
  readonly realtime: RealtimeConnection | undefined;
  subscription: Subscription | undefined;
  slot = 0;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #release: (connection: WsConnection) => void;
  #heardAt = performance.now();
  #bucket: TokenBucket | undefined;
  #pendingAtBeat = 0;
  /** Settled when the last message that came has been answered. */
  #answered: Promise<void> | undefined;
  #errors = 0;
  /** Messages that a hook has not let through yet. */
  #waiting = 0;
  #errorsSince = 0;

  constructor(ws: WebSocket, socket: Socket, options: ConnectionOptions) {
    this.context = options.context;
    this.id = options.id;
    this.client = options.client;
    this.identity = options.identity;
    this.rawQuery = options.rawQuery;
    this.realtime = options.realtime;
    this.#ws = ws;
    this.#socket = socket;
    this.#release = options.release;
    (ws as OwnedSocket)[CONNECTION] = this;
    ws.on('message', onMessage);
    ws.on('pong', onPong);
    ws.on('close', onClose);
    ws.on('error', onError);
    watchDrain(socket, this);
  }

  get pending(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    // The one who sweeps may be late.
    if (hasExpired(this.identity)) this.expired();
    else this.#socket.write(bytes);
  }

  ended(reason: EndReason): void {
    if (reason === 'slow') this.close(4408, 'no progress: resume with your position');
    else this.close(1011, 'failed on our side: resume with your position');
  }

  expiring(expiresAt: number): void {
    this.answer({ type: 'token_expiring', expires_at: formatExpiry(expiresAt) });
  }

  expired(): void {
    this.close(4401, 'token expired');
  }

  rejudge(): void {
    if (this.subscription === undefined) return;
    try {
      this.subscription = this.context.resource.rejudge(this.subscription, this.identity, this.rawQuery);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.revoked();
    }
  }

  revoked(): void {
    this.close(4403, 'not allowed any more');
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
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
    if (pending !== this.#pendingAtBeat) this.heard();
    this.#pendingAtBeat = pending;
    const { pongTimeout, slowClientTimeout } = this.context;
    const patience = pending === 0 ? pongTimeout : Math.max(pongTimeout, slowClientTimeout);
    if (performance.now() - this.#heardAt >= patience) this.#ws.terminate();
    else if (pending === 0) this.write(PING_FRAME);
  }

  /** An answer to this client alone. */
  answer(message: object): void {
    if (this.pending > MAX_UNREAD) this.#ws.terminate();
    else this.write(encodeJson(message));
  }

  refuse(error: AppError, ref: unknown): void {
    const { code, message, errors } = error;
    this.answer({
      type: 'error',
      code,
      message,
      ...(errors === undefined ? {} : { details: errors }),
      ...(ref === undefined ? {} : { ref }),
    });
    const now = performance.now();
    if (now - this.#errorsSince > ERROR_WINDOW) {
      this.#errorsSince = now;
      this.#errors = 0;
    }
    if (++this.#errors > MAX_ERRORS) this.close(1008, `more than ${MAX_ERRORS} bad messages in 10 s`);
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  received(data: Buffer, isBinary: boolean): void {
    this.heard();
    const { messagesPerSecond, messagesBurst } = this.context;
    this.#bucket ??= new TokenBucket(messagesPerSecond, messagesBurst);
    if (hasExpired(this.identity)) this.expired();
    else if (!this.#bucket.take()) this.close(1008, `more than ${messagesPerSecond} messages a second`);
    else if (this.#ws.readyState !== this.#ws.OPEN) return;
    else if (this.realtime?.hearsMessages) this.#answered = this.#handleInTurn(data, isBinary, this.#answered);
    else this.#answered = this.#handle(data, isBinary, this.#answered);
  }

  /** Answers come in the order of the messages, also where one is refused at once and the one before it is written. */
  async #handle(data: Buffer, isBinary: boolean, before: Promise<void> | undefined): Promise<void> {
    const answer = await handleMessage(this, data, isBinary);
    await before;
    answer(this);
  }

  /** A hook may take its time for one message, and the next ones are not to overtake it. */
  async #handleInTurn(data: Buffer, isBinary: boolean, before: Promise<void> | undefined): Promise<void> {
    if (++this.#waiting === MAX_WAITING) this.#ws.pause();
    await before;
    if (hasExpired(this.identity)) this.expired();
    else (await handleMessage(this, data, isBinary))(this);
    if (--this.#waiting === 0 && this.#ws.isPaused) this.#ws.resume();
  }

  released(): void {
    const { subscription } = this;
    this.context.auth?.connections.remove(this);
    if (subscription !== undefined) this.context.resource.unsubscribe(subscription);
    this.#release(this);
  }
}

export interface ConnectionOptions {
  readonly context: ConnectionContext;
  readonly id: Key | undefined;
  readonly client: string | undefined;
  readonly identity: Identity;
  readonly rawQuery: string;
  readonly realtime?: RealtimeConnection | undefined;
  readonly release: (connection: WsConnection) => void;
}

function onMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  (this as OwnedSocket)[CONNECTION].received(data, isBinary);
}

function onPong(this: WebSocket): void {
  (this as OwnedSocket)[CONNECTION].heard();
}

function onClose(this: WebSocket): void {
  (this as OwnedSocket)[CONNECTION].released();
}

/** Protocol errors: `ws` has closed with the right code by now, and a peer that broke off is no news. */
function onError(): void {}
