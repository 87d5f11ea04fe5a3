import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { endIfExpired } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError, internalError } from '../../errors.ts';
import type { RealtimeConnection } from '../../hooks/realtime-hooks.ts';
import { WriteLock } from '../../hub/fan-out/write-lock.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { ClientSocket } from '../socket/client-socket.ts';
import { GatewayActions, type GatewayContext, LimitRefusal } from './actions.ts';
import { errorMessage, heartbeatFrame } from './frames.ts';
import { GatewayRefusal, parseMessage } from './requests.ts';

export interface GatewaySocketOptions {
  readonly context: GatewayContext;
  /** The connection as hooks of the application see it; undefined where there are none. */
  readonly realtime: RealtimeConnection | undefined;
  readonly identity: Identity;
}

/** A WebSocket with many subscriptions: the sink of all of them, and the reader of the client's messages. */
export class GatewaySocket extends ClientSocket {
  identity: Identity;
  readonly writeLock = new WriteLock();
  readonly #context: GatewayContext;
  readonly #actions: GatewayActions;
  /** Messages that were received while a token or a hook was waited for; undefined when nothing is waited for. */
  #waiting: (readonly [data: Buffer, isBinary: boolean])[] | undefined;
  #owesHeartbeat = false;

  constructor(ws: WebSocket, socket: Socket, { context, identity, realtime }: GatewaySocketOptions) {
    super(ws, socket, context);
    this.#context = context;
    this.identity = identity;
    this.#actions = new GatewayActions(this, context, realtime);
  }

  /** Sends the message of a heartbeat; a client with a full buffer gets it when there is room, if it makes progress. */
  heartbeat(): void {
    this.#owesHeartbeat = this.pending > this.#context.clientBuffer;
    if (!this.#owesHeartbeat) this.write(heartbeatFrame());
  }

  drained(): void {
    if (this.#owesHeartbeat) this.heartbeat();
    this.#actions.drained();
  }

  override expired(): void {
    this.close(1008, 'Token expired');
  }

  override revoked(): void {
    this.close(1008, 'Authentication failed');
  }

  reauthorize(): void {
    this.#actions.reauthorize();
  }

  describe(): ConnectionDescription {
    return { transport: 'multiplex', listens: this.#actions.listed() };
  }

  protected closed(): void {
    this.#actions.closeAll();
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (this.#waiting === undefined) {
      this.#handle(data, isBinary);
      return;
    }
    this.#waiting.push([data, isBinary]);
    this.messageWaits(data);
  }

  #handle(data: Buffer, isBinary: boolean): void {
    if (endIfExpired(this)) return;
    try {
      const work = this.#actions.run(parseMessage(data, isBinary));
      if (work !== undefined) this.#holdFor(work);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** Holds the messages that are received until the work is done: they may depend on it. */
  #holdFor(work: Promise<void>): void {
    this.#waiting = [];
    work.catch((error: unknown) => this.#refuse(error)).finally(() => this.#resume());
  }

  #resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    // The first of them may make the others wait again.
    for (const [data, isBinary] of waiting) {
      this.messageTaken(data);
      if (this.isOpen) this.take(data, isBinary);
    }
  }

  #refuse(error: unknown): void {
    if (error instanceof LimitRefusal) {
      // Not counted as a bad message: reaching the limit is not abuse.
      this.answer(errorMessage(error.message, error.members));
    } else if (error instanceof GatewayRefusal) {
      this.reject(errorMessage(error.message, error.members));
    } else if (error instanceof AppError && error.status < 500) {
      this.reject(errorMessage(error.message, { code: error.code }));
    } else {
      this.#context.onError(error);
      this.reject(errorMessage(internalError().message, { code: 'INTERNAL' }));
    }
  }
}
