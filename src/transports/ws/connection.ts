import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AppAuth } from '../../auth/app-auth.ts';
import { hasExpired, type OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { RealtimeConnection } from '../../hooks/realtime-hooks.ts';
import type { Subscription } from '../../hub/subscription.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { RecordKey } from '../../store/store.ts';
import { formatExpiry } from '../socket/auth-message.ts';
import { ClientSocket, type SocketLimits } from '../socket/client-socket.ts';
import { errorMessage } from '../socket/error-message.ts';
import type { WsFormat } from './message-format.ts';
import { handleMessage } from './messages.ts';

/** What all connections of one table or record share. */
export interface ConnectionContext extends SocketLimits {
  readonly resource: TableResource;
  /** Undefined where nobody is asked who they are. */
  readonly auth: AppAuth | undefined;
  readonly onError: (error: unknown) => void;
}

/** One WebSocket on a table or record: the sink of its subscription, and the reader of its messages. */
export class WsConnection extends ClientSocket implements OpenConnection {
  readonly context: ConnectionContext;
  /** The record of a record channel. */
  readonly id: RecordKey | undefined;
  /** The id that the client gave itself: its refs are known when they come again. */
  readonly client: string | undefined;
  identity: Identity;
  /** What was asked for, for those whose rights may change. */
  readonly rawQuery: string;
  readonly format: WsFormat;
  /** As the application's hooks know it. */
  readonly realtime: RealtimeConnection | undefined;
  subscription: Subscription | undefined;
  readonly #release: (connection: WsConnection) => void;
  /** Settled when the last message that came has been answered. */
  #answered: Promise<void> | undefined;

  constructor(ws: WebSocket, socket: Socket, options: ConnectionOptions) {
    super(ws, socket, options.context);
    this.context = options.context;
    this.id = options.id;
    this.client = options.client;
    this.identity = options.identity;
    this.rawQuery = options.rawQuery;
    this.format = options.format;
    this.realtime = options.realtime;
    this.#release = options.release;
  }

  drained(): void {
    this.subscription?.drained();
  }

  override write(bytes: Buffer): void {
    // The one who sweeps may be late.
    if (this.isOpen && hasExpired(this.identity)) this.expired();
    else super.write(bytes);
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

  refuse(error: AppError, ref: unknown): void {
    this.reject(errorMessage(error, ref));
  }

  released(): void {
    const { subscription } = this;
    if (subscription !== undefined) this.context.resource.unsubscribe(subscription);
    this.context.auth?.connections.remove(this);
    this.#release(this);
  }

  protected override encode(message: object): Buffer {
    return this.format.encode(message);
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (hasExpired(this.identity)) this.expired();
    else if (this.realtime?.hearsMessages) this.#answered = this.#handleInTurn(data, isBinary, this.#answered);
    else this.#answered = this.#handle(data, isBinary, this.#answered);
  }

  /** Answers come in the order of the messages, also where one is refused at once and the one before it is written. */
  async #handle(data: Buffer, isBinary: boolean, before: Promise<void> | undefined): Promise<void> {
    this.waits(data);
    const answer = await handleMessage(this, data, isBinary);
    await before;
    answer(this);
    this.waitsNoMore(data);
  }

  /** A hook may take its time for one message, and the next ones are not to overtake it. */
  async #handleInTurn(data: Buffer, isBinary: boolean, before: Promise<void> | undefined): Promise<void> {
    this.waits(data);
    await before;
    if (hasExpired(this.identity)) this.expired();
    else (await handleMessage(this, data, isBinary))(this);
    this.waitsNoMore(data);
  }
}

export interface ConnectionOptions {
  readonly context: ConnectionContext;
  readonly id: RecordKey | undefined;
  readonly client: string | undefined;
  readonly identity: Identity;
  readonly rawQuery: string;
  readonly format: WsFormat;
  readonly realtime?: RealtimeConnection | undefined;
  readonly release: (connection: WsConnection) => void;
}
