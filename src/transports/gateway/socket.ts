import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AppAuth } from '../../auth/app-auth.ts';
import type { Identity } from '../../auth/identity.ts';
import { hasExpired, type OpenConnection } from '../../auth/open-connections.ts';
import { AppError } from '../../errors.ts';
import { Lane } from '../../hub/lane.ts';
import type { TableResource } from '../../resources/table-resource.ts';
import { ClientSocket, type SocketLimits } from '../sockets/client-socket.ts';
import { heartbeatNow, SOCKET_WIRE } from './frames.ts';
import { type Message, parseMessage, parseName, parseSubscribe, Refusal } from './requests.ts';
import { Subscriptions } from './subscriptions.ts';

/** Who is asking, and until when. */
export type GatewayAuth = Pick<AppAuth, 'authenticator' | 'connections'>;

/** What all sockets of one application share. */
export interface GatewayContext extends SocketLimits {
  /** Tables by the name of their collection. */
  readonly collections: ReadonlyMap<string, TableResource>;
  /** Subscriptions of one connection at most. */
  readonly subscriptions: number;
  readonly clientBuffer: number;
  /** Undefined where nobody is asked who they are. */
  readonly auth: GatewayAuth | undefined;
  readonly onError: (error: unknown) => void;
}

export interface GatewaySocketOptions {
  readonly context: GatewayContext;
  readonly identity: Identity;
  readonly release: (socket: GatewaySocket) => void;
}

/** One WebSocket with many subscriptions: the sink of all of them, and the reader of what the client asks for. */
export class GatewaySocket extends ClientSocket implements OpenConnection {
  identity: Identity;
  /** Its place among the slots of the heartbeat messages. */
  beatSlot = 0;
  readonly lane = new Lane();
  readonly #context: GatewayContext;
  readonly #subscriptions = new Subscriptions(this, SOCKET_WIRE);
  readonly #release: (socket: GatewaySocket) => void;
  /** Messages that came while a token is checked: they are for whoever that shows. */
  #waiting: (readonly [data: Buffer, isBinary: boolean])[] | undefined;
  #owesHeartbeat = false;

  constructor(ws: WebSocket, socket: Socket, { context, identity, release }: GatewaySocketOptions) {
    super(ws, socket, context);
    this.#context = context;
    this.identity = identity;
    this.#release = release;
  }

  override write(bytes: Buffer): void {
    // The one who looks at the clock may be late.
    if (hasExpired(this.identity)) this.expired();
    else super.write(bytes);
  }

  /** One that is full is told when it has room: then it has not stood still. */
  heartbeat(): void {
    this.#owesHeartbeat = this.pending > this.#context.clientBuffer;
    if (!this.#owesHeartbeat) this.write(heartbeatNow().frame);
  }

  drained(): void {
    if (this.#owesHeartbeat) this.heartbeat();
    this.#subscriptions.drained();
  }

  released(): void {
    this.#subscriptions.closeAll();
    this.#release(this);
  }

  expiring(expiresAt: number): void {
    this.answer({ type: 'token_expiring', expires_at: new Date(expiresAt).toISOString() });
  }

  expired(): void {
    this.close(1008, 'Token expired');
  }

  revoked(): void {
    this.close(1008, 'Authentication failed');
  }

  rejudge(): void {
    for (const { collection, id } of this.#subscriptions.judge(this.identity)) {
      this.answer({ error: 'Forbidden', collection, ...(id === undefined ? {} : { id }) });
    }
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (this.#waiting === undefined) this.#handle(data, isBinary);
    else this.#waiting.push([data, isBinary]);
  }

  #handle(data: Buffer, isBinary: boolean): void {
    try {
      if (hasExpired(this.identity)) this.expired();
      else this.#execute(parseMessage(data, isBinary));
    } catch (error) {
      this.#refuse(error);
    }
  }

  #execute(message: Message): void {
    switch (message.action) {
      case 'subscribe':
        this.#subscribe(message);
        break;
      case 'unsubscribe':
        this.#unsubscribe(message);
        break;
      case 'ping':
        this.answer({ type: 'pong' });
        break;
      case 'auth':
        this.#authenticate(message);
    }
  }

  #subscribe(message: Message): void {
    const request = parseSubscribe(message);
    const { collection, id } = request;
    const name = { collection, ...(id === undefined ? {} : { id }) };
    const { collections, subscriptions: limit } = this.#context;
    const resource = collections.get(collection);
    if (resource === undefined) throw new Refusal('Unknown collection', name);
    const query = checkedBy(name, () => resource.parseSubscription(this.identity, request.query, undefined));
    const open = this.#subscriptions;
    if (open.size >= limit && !open.has(collection, id)) {
      // No mistake of the kind that is counted: a client that runs into it loses nothing.
      this.answer({ error: `Max subscriptions reached (${limit})`, ...(id === undefined ? {} : { id }) });
      return;
    }
    // Opening it may write events at once.
    this.answer({ status: 'subscribed', ...name });
    open.open({ request, resource, query });
  }

  #unsubscribe(message: Message): void {
    const name = parseName(message);
    this.#subscriptions.close(name.collection, name.id);
    this.answer({ status: 'unsubscribed', ...name });
  }

  #authenticate({ token }: Message): void {
    const { auth } = this.#context;
    if (auth === undefined) throw new Refusal('Authentication is not configured');
    if (typeof token !== 'string' || token === '') throw new Refusal('Missing token');
    this.#waiting = [];
    this.#renew(auth, token)
      .catch((error: unknown) => this.#refuse(error))
      .finally(() => this.#goOn());
  }

  async #renew({ authenticator, connections }: GatewayAuth, token: string): Promise<void> {
    const { identity } = this;
    const principal = await authenticator.authenticate({ type: 'bearer', text: token }).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
      throw new Refusal(error.status < 500 ? 'Authentication failed' : error.message, { code: error.code });
    });
    if (!this.isOpen) return;
    // Somebody else must not take over what was opened with the rights of the first one.
    if (identity.type !== 'principal' || principal.sub !== identity.sub) {
      this.revoked();
      return;
    }
    connections.renew(this, principal);
    const expires = principal.expiresAt === undefined ? null : new Date(principal.expiresAt).toISOString();
    this.answer({ status: 'authenticated', expires_at: expires });
  }

  #goOn(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const [data, isBinary] of waiting) if (this.isOpen) this.take(data, isBinary);
  }

  #refuse(error: unknown): void {
    if (error instanceof Refusal) {
      this.reject({ error: error.message, ...error.members });
      return;
    }
    this.#context.onError(error);
    this.reject({ error: 'Something went wrong on our side; it has been logged.', code: 'INTERNAL' });
  }
}

function checkedBy<T>(name: object, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'FORBIDDEN' || error.code === 'UNAUTHORIZED') throw new Refusal('Forbidden', { ...name });
    throw new Refusal(error.message, { code: error.code, ...name });
  }
}
