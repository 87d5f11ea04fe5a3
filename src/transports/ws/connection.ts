import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AppAuth } from '../../auth/app-auth.ts';
import { endIfExpired } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import type { AppError } from '../../errors.ts';
import type { RealtimeConnection } from '../../hooks/realtime-hooks.ts';
import type { Subscription } from '../../hub/subscription.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { Transactions } from '../../resources/transactions/transactions.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import type { RecordKey } from '../../store/store.ts';
import { ClientSocket, type SocketLimits } from '../socket/client-socket.ts';
import { errorMessage } from '../socket/text-frames.ts';
import type { WsFormat } from './message-format.ts';
import { handleMessage } from './messages.ts';

/** Shared by all connections of one table or record. */
export interface ConnectionContext extends SocketLimits {
  readonly appId: string;
  readonly resource: TableResource;
  /** Runs transactions of the application. */
  readonly transactions: Transactions;
  /** Tables that a transaction can name, by export name. */
  readonly tables: ReadonlyMap<string, TableResource>;
  /** Undefined where authentication is off. */
  readonly auth: AppAuth | undefined;
  readonly onError: (error: unknown) => void;
}

export interface ConnectionOptions {
  readonly context: ConnectionContext;
  readonly id: RecordKey | undefined;
  readonly client: string | undefined;
  readonly identity: Identity;
  readonly rawQuery: string;
  readonly format: WsFormat;
  readonly realtime?: RealtimeConnection | undefined;
}

/** A WebSocket on a table or record: the sink of its subscription, and the reader of its messages. */
export class WsConnection extends ClientSocket {
  readonly context: ConnectionContext;
  /** The record of a record channel; undefined for the channel of the table. */
  readonly id: RecordKey | undefined;
  /** Id that the client gave itself, by which a repeated `ref` is recognised; undefined when it gave none. */
  readonly client: string | undefined;
  identity: Identity;
  /** Query string of the request, which is read again when the rights of the caller change. */
  readonly rawQuery: string;
  readonly format: WsFormat;
  /** The connection as hooks of the application see it. */
  readonly realtime: RealtimeConnection | undefined;
  #subscription: Subscription | undefined;
  /** Settled when the last message that was received has been answered. */
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
  }

  get subscription(): Subscription | undefined {
    return this.#subscription;
  }

  subscribe(query: SubscriptionQuery): void {
    this.#subscription = this.context.resource.subscribe(query, this.format.encoding, this);
  }

  drained(): void {
    this.#subscription?.drained();
  }

  reauthorize(): void {
    if (this.#subscription === undefined) return;
    this.#subscription = this.context.resource.reauthorize(this.#subscription, this.identity, this.rawQuery);
  }

  describe(): ConnectionDescription {
    const { rawQuery, context } = this;
    const subscription = this.#subscription;
    const listens = subscription === undefined ? [] : [{ resource: context.resource, rawQuery, subscription }];
    return { transport: 'websocket', listens };
  }

  /** Reports to the client why a message was refused. */
  refuse(error: AppError, ref: unknown): void {
    this.reject(errorMessage(error, ref));
  }

  protected closed(): void {
    if (this.#subscription !== undefined) this.context.resource.unsubscribe(this.#subscription);
  }

  protected override encode(message: object): Buffer {
    return this.format.encode(message);
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (endIfExpired(this)) return;
    const handle = this.realtime?.hearsMessages ? this.#handleInOrder : this.#handle;
    this.#answered = handle.call(this, data, isBinary, this.#answered);
  }

  /** Answers in the order of the messages, also where one is refused at once while the one before it is written. */
  async #handle(data: Buffer, isBinary: boolean, before: Promise<void> | undefined): Promise<void> {
    this.messageWaits(data);
    const answer = await handleMessage(this, data, isBinary);
    await before;
    answer(this);
    this.messageTaken(data);
  }

  /** Handles one message after the other: a hook may take its time for one, and the next ones must not overtake it. */
  async #handleInOrder(data: Buffer, isBinary: boolean, before: Promise<void> | undefined): Promise<void> {
    this.messageWaits(data);
    await before;
    if (!endIfExpired(this)) (await handleMessage(this, data, isBinary))(this);
    this.messageTaken(data);
  }
}
