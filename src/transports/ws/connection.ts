import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import type { AppError } from '../../errors.ts';
import type { Subscription } from '../../hub/subscription.ts';
import type { TableResource } from '../../resources/table-resource.ts';
import type { Key } from '../../store/store.ts';
import { ClientSocket, type SocketLimits } from '../sockets/client-socket.ts';
import { handleMessage } from './messages.ts';

/** What all connections of one table or record share. */
export interface ConnectionContext extends SocketLimits {
  readonly resource: TableResource;
  readonly onError: (error: unknown) => void;
}

/** One WebSocket on a table or record: the sink of its subscription, and the reader of its messages. */
export class WsConnection extends ClientSocket {
  readonly context: ConnectionContext;
  /** The record of a record channel. */
  readonly id: Key | undefined;
  readonly identity: Identity;
  subscription: Subscription | undefined;
  readonly #release: (connection: WsConnection) => void;
  /** Settled when the last message that came has been answered. */
  #answered: Promise<void> | undefined;

  constructor(ws: WebSocket, socket: Socket, options: ConnectionOptions) {
    super(ws, socket, options.context);
    this.context = options.context;
    this.id = options.id;
    this.identity = options.identity;
    this.#release = options.release;
  }

  drained(): void {
    this.subscription?.drained();
  }

  refuse(error: AppError, ref: unknown): void {
    const { code, message, errors } = error;
    this.reject({
      type: 'error',
      code,
      message,
      ...(errors === undefined ? {} : { details: errors }),
      ...(ref === undefined ? {} : { ref }),
    });
  }

  protected take(data: Buffer, isBinary: boolean): void {
    this.#answered = this.#handle(data, isBinary, this.#answered);
  }

  /** Answers come in the order of the messages, also where one is refused at once and the one before it is written. */
  async #handle(data: Buffer, isBinary: boolean, before: Promise<void> | undefined): Promise<void> {
    const answer = await handleMessage(this, data, isBinary);
    await before;
    answer(this);
  }

  released(): void {
    const { subscription } = this;
    if (subscription !== undefined) this.context.resource.unsubscribe(subscription);
    this.#release(this);
  }
}

export interface ConnectionOptions {
  readonly context: ConnectionContext;
  readonly id: Key | undefined;
  readonly identity: Identity;
  readonly release: (connection: WsConnection) => void;
}
