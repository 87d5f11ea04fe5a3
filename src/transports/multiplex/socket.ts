import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AppAuth } from '../../auth/app-auth.ts';
import { hasExpired, type OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError, internalError } from '../../errors.ts';
import type { RealtimeConnection, Subscribed } from '../../hooks/realtime-hooks.ts';
import { WriteLock } from '../../hub/fan-out/write-lock.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { ClientSocket, type SocketLimits } from '../socket/client-socket.ts';
import { type ClientId, errorMessage, heartbeatNow, SOCKET_WIRE } from './frames.ts';
import { GatewayRefusal, type Message, parseMessage, parseName, parseSubscribe } from './requests.ts';
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
  /** As the application's hooks know it. */
  readonly realtime: RealtimeConnection | undefined;
  readonly identity: Identity;
  readonly release: (socket: GatewaySocket) => void;
}

/** A subscription that may be opened. */
interface Begin {
  readonly name: { readonly collection: string; readonly id?: ClientId };
  open(): void;
}

/** One WebSocket with many subscriptions: the sink of all of them, and the reader of what the client asks for. */
export class GatewaySocket extends ClientSocket implements OpenConnection {
  identity: Identity;
  /** Its place among the slots of the heartbeat messages. */
  beatSlot = 0;
  readonly lane = new WriteLock();
  readonly #context: GatewayContext;
  readonly #subscriptions = new Subscriptions(this, SOCKET_WIRE);
  readonly #release: (socket: GatewaySocket) => void;
  /** Messages that came while a token is checked: they are for whoever that shows. */
  #waiting: (readonly [data: Buffer, isBinary: boolean])[] | undefined;
  #owesHeartbeat = false;
  readonly #realtime: RealtimeConnection | undefined;
  /** What the hooks want back when a subscription ends, by its name. */
  readonly #told = new Map<string, Subscribed>();

  constructor(ws: WebSocket, socket: Socket, { context, identity, realtime, release }: GatewaySocketOptions) {
    super(ws, socket, context);
    this.#context = context;
    this.identity = identity;
    this.#realtime = realtime;
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
      this.#tellEnd(collection, id);
      this.answer(errorMessage('Forbidden', { collection, ...(id === undefined ? {} : { id }) }));
    }
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (this.#waiting === undefined) this.#handle(data, isBinary);
    else {
      this.#waiting.push([data, isBinary]);
      this.waits(data);
    }
  }

  #handle(data: Buffer, isBinary: boolean): void {
    try {
      if (hasExpired(this.identity)) this.expired();
      else this.#begin(parseMessage(data, isBinary));
    } catch (error) {
      this.#refuse(error);
    }
  }

  #begin(message: Message): void {
    const realtime = this.#realtime;
    // A token is nothing that a hook should see.
    if (realtime === undefined || message.action === 'auth') this.#execute(message);
    else this.#holdFor(this.#ask(realtime, message));
  }

  /** The hooks are asked first; what comes meanwhile is for afterwards. */
  async #ask(realtime: RealtimeConnection, message: Message): Promise<void> {
    const { collection } = message;
    const about = typeof collection === 'string' ? collection : undefined;
    if (realtime.hearsMessages) await realtime.message(message, about);
    if (message.action !== 'subscribe') {
      if (this.isOpen) this.#execute(message);
      return;
    }
    const begin = this.#checkSubscribe(message);
    const { name } = begin;
    const told = await realtime.subscribe(name.collection, null);
    if (!this.isOpen) return;
    this.#tellEnd(name.collection, name.id);
    this.#told.set(JSON.stringify(name), told);
    begin.open();
  }

  #tellEnd(collection: string, id: ClientId | undefined): void {
    const key = JSON.stringify({ collection, ...(id === undefined ? {} : { id }) });
    const told = this.#told.get(key);
    if (told === undefined) return;
    this.#told.delete(key);
    this.#realtime?.unsubscribe(told);
  }

  #execute(message: Message): void {
    switch (message.action) {
      case 'subscribe':
        this.#checkSubscribe(message).open();
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

  /** Throws what is wrong with it; what comes back opens it. */
  #checkSubscribe(message: Message): Begin {
    const request = parseSubscribe(message);
    const { collection, id } = request;
    const name = { collection, ...(id === undefined ? {} : { id }) };
    const { collections, subscriptions: limit } = this.#context;
    const resource = collections.get(collection);
    if (resource === undefined) throw new GatewayRefusal('Unknown collection', name);
    const query = checkedBy(name, () => resource.parseSubscription(this.identity, request.query, undefined));
    const open = this.#subscriptions;
    if (open.size >= limit && !open.has(collection, id)) {
      throw new Full(`Max subscriptions reached (${limit})`, id === undefined ? {} : { id });
    }
    return {
      name,
      open: () => {
        // Opening it may write events at once.
        this.#confirm('subscribed', name);
        open.open({ request, resource, query });
      },
    };
  }

  #unsubscribe(message: Message): void {
    const name = parseName(message);
    this.#subscriptions.close(name.collection, name.id);
    this.#tellEnd(name.collection, name.id);
    this.#confirm('unsubscribed', name);
  }

  /** Clients tell messages apart by `status` or by `type`: both say it. */
  #confirm(status: string, members: object): void {
    this.answer({ status, type: status, ...members });
  }

  #authenticate({ token }: Message): void {
    const { auth } = this.#context;
    if (auth === undefined) throw new GatewayRefusal('Authentication is not configured');
    if (typeof token !== 'string' || token === '') throw new GatewayRefusal('Missing token');
    this.#holdFor(this.#renew(auth, token));
  }

  /** Messages that come while something is under way wait for it. */
  #holdFor(work: Promise<void>): void {
    this.#waiting = [];
    work.catch((error: unknown) => this.#refuse(error)).finally(() => this.#goOn());
  }

  async #renew({ authenticator, connections }: GatewayAuth, token: string): Promise<void> {
    const { identity } = this;
    const principal = await authenticator.authenticate({ type: 'bearer', text: token }).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
      throw new GatewayRefusal(error.status < 500 ? 'Authentication failed' : error.message, { code: error.code });
    });
    if (!this.isOpen) return;
    // Somebody else must not take over what was opened with the rights of the first one.
    if (identity.type !== 'principal' || principal.sub !== identity.sub) {
      this.revoked();
      return;
    }
    connections.renew(this, principal);
    const expires = principal.expiresAt === undefined ? null : new Date(principal.expiresAt).toISOString();
    this.#confirm('authenticated', { expires_at: expires });
  }

  #goOn(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    // The first of them may make the others wait again.
    for (const [data, isBinary] of waiting) {
      this.waitsNoMore(data);
      if (this.isOpen) this.take(data, isBinary);
    }
  }

  #refuse(error: unknown): void {
    // No mistake of the kind that is counted: a client that runs into it loses nothing.
    if (error instanceof Full) {
      this.answer(errorMessage(error.message, error.members));
      return;
    }
    if (error instanceof AppError && error.status < 500) {
      this.reject(errorMessage(error.message, { code: error.code }));
      return;
    }
    if (error instanceof GatewayRefusal) {
      this.reject(errorMessage(error.message, error.members));
      return;
    }
    this.#context.onError(error);
    this.reject(errorMessage(internalError().message, { code: 'INTERNAL' }));
  }
}

/** There are as many subscriptions as there may be. */
class Full extends GatewayRefusal {}

function checkedBy<T>(name: object, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'FORBIDDEN' || error.code === 'UNAUTHORIZED') throw new GatewayRefusal('Forbidden', { ...name });
    throw new GatewayRefusal(error.message, { code: error.code, ...name });
  }
}
