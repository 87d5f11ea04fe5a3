import type { AppAuth } from '../../auth/app-auth.ts';
import type { OpenConnection } from '../../auth/connections.ts';
import { AppError } from '../../errors.ts';
import type { RealtimeConnection, Subscribed } from '../../hooks/realtime-hooks.ts';
import type { Sink } from '../../hub/subscription.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { Transactions } from '../../resources/transactions/transactions.ts';
import type { ListedSubscription } from '../../server/limits/connection-list.ts';
import { formatExpiry } from '../socket/auth-message.ts';
import type { SocketLimits } from '../socket/client-socket.ts';
import { type ClientId, errorMessage, SOCKET_WIRE } from './frames.ts';
import { type GatewayMessage, GatewayRefusal, parseName, parseSubscribe } from './requests.ts';
import { Subscriptions } from './subscriptions.ts';
import { runTransaction } from './transaction.ts';

/** Authentication of one application, as far as connections need it. */
export type GatewayAuth = Pick<AppAuth, 'authenticator' | 'connections'>;

/** Shared by all sockets of one application. */
export interface GatewayContext extends SocketLimits {
  /** Tables by the name of their collection. */
  readonly collections: ReadonlyMap<string, TableResource>;
  readonly transactions: Transactions;
  /** Subscriptions of one connection at most. */
  readonly subscriptions: number;
  /** Bytes that may wait for a client before it counts as full. */
  readonly clientBuffer: number;
  /** Undefined where authentication is off. */
  readonly auth: GatewayAuth | undefined;
  readonly onError: (error: unknown) => void;
}

/** The socket whose client sends the messages. */
export interface GatewayClient extends OpenConnection, Sink {
  readonly isOpen: boolean;
  answer(message: object): void;
}

/** A subscription that was checked and may be opened. */
interface AllowedSubscription {
  readonly name: { readonly collection: string; readonly id?: ClientId };
  open(): void;
}

/** Refused because the connection has as many subscriptions as it may have. */
export class LimitRefusal extends GatewayRefusal {}

/** Runs what the client of one socket asks for, and keeps its subscriptions. */
export class GatewayActions {
  readonly #client: GatewayClient;
  readonly #context: GatewayContext;
  readonly #realtime: RealtimeConnection | undefined;
  readonly #subscriptions: Subscriptions;
  /** Handles that the hooks get back when a subscription ends, by its name. */
  readonly #hooked = new Map<string, Subscribed>();

  constructor(client: GatewayClient, context: GatewayContext, realtime: RealtimeConnection | undefined) {
    this.#client = client;
    this.#context = context;
    this.#realtime = realtime;
    this.#subscriptions = new Subscriptions(client, SOCKET_WIRE);
  }

  listed(): Iterable<ListedSubscription> {
    return this.#subscriptions.listed();
  }

  drained(): void {
    this.#subscriptions.drained();
  }

  closeAll(): void {
    this.#subscriptions.closeAll();
  }

  /** Closes the subscriptions that are not allowed any more, each with a message. */
  reauthorize(): void {
    for (const { collection, id } of this.#subscriptions.reauthorize(this.#client.identity)) {
      this.#unhook(collection, id);
      this.#client.answer(errorMessage('Forbidden', { collection, ...(id === undefined ? {} : { id }) }));
    }
  }

  /**
   * Runs one message. The promise is that of a hook or of a token that is checked; undefined when the message is done.
   * Throws GatewayRefusal or AppError, and rejects with them.
   */
  run(message: GatewayMessage): Promise<void> | undefined {
    const realtime = this.#realtime;
    if (message.action === 'auth') return this.#authenticate(message);
    // Hooks get no messages with tokens.
    if (realtime !== undefined) return this.#runHooked(realtime, message);
    return this.#execute(message);
  }

  async #runHooked(realtime: RealtimeConnection, message: GatewayMessage): Promise<void> {
    const { collection } = message;
    const about = typeof collection === 'string' ? collection : undefined;
    if (realtime.hearsMessages) await realtime.message(message, about);
    if (message.action !== 'subscribe') {
      if (this.#client.isOpen) await this.#execute(message);
      return;
    }
    const { name, open } = this.#checkSubscribe(message);
    const hooked = await realtime.subscribe(name.collection, null);
    if (!this.#client.isOpen) return;
    this.#unhook(name.collection, name.id);
    this.#hooked.set(JSON.stringify(name), hooked);
    open();
  }

  #unhook(collection: string, id: ClientId | undefined): void {
    const key = JSON.stringify({ collection, ...(id === undefined ? {} : { id }) });
    const hooked = this.#hooked.get(key);
    if (hooked === undefined) return;
    this.#hooked.delete(key);
    this.#realtime?.unsubscribe(hooked);
  }

  #execute(message: GatewayMessage): Promise<void> | undefined {
    switch (message.action) {
      case 'subscribe':
        this.#checkSubscribe(message).open();
        break;
      case 'unsubscribe':
        this.#unsubscribe(message);
        break;
      case 'transaction':
        return this.#transact(message);
      case 'ping':
        this.#client.answer({ type: 'pong' });
    }
    return undefined;
  }

  async #transact(message: GatewayMessage): Promise<void> {
    const { transactions, collections, onError } = this.#context;
    const { identity } = this.#client;
    const answer = await runTransaction(message, { transactions, collections, identity, onError });
    if (this.#client.isOpen) this.#client.answer(answer);
  }

  /** Throws GatewayRefusal for a subscription that must not be opened. */
  #checkSubscribe(message: GatewayMessage): AllowedSubscription {
    const request = parseSubscribe(message);
    const { collection, id } = request;
    const name = { collection, ...(id === undefined ? {} : { id }) };
    const { collections, subscriptions: limit } = this.#context;
    const resource = collections.get(collection);
    if (resource === undefined) throw new GatewayRefusal('Unknown collection', name);
    const { identity } = this.#client;
    const query = refusing(name, () => resource.parseSubscription(identity, request.query, undefined));
    const subscriptions = this.#subscriptions;
    if (subscriptions.size >= limit && !subscriptions.has(collection, id)) {
      throw new LimitRefusal(`Max subscriptions reached (${limit})`, id === undefined ? {} : { id });
    }
    return {
      name,
      open: () => {
        // Opening it may write events at once.
        this.#confirm('subscribed', name);
        subscriptions.open({ request, resource, query });
      },
    };
  }

  #unsubscribe(message: GatewayMessage): void {
    const name = parseName(message);
    this.#subscriptions.close(name.collection, name.id);
    this.#unhook(name.collection, name.id);
    this.#confirm('unsubscribed', name);
  }

  /** Confirms by `status` and by `type`: clients tell messages apart by one or the other. */
  #confirm(status: string, members: object): void {
    this.#client.answer({ status, type: status, ...members });
  }

  #authenticate({ token }: GatewayMessage): Promise<void> {
    const { auth } = this.#context;
    if (auth === undefined) throw new GatewayRefusal('Authentication is not configured');
    if (typeof token !== 'string' || token === '') throw new GatewayRefusal('Missing token');
    return this.#renew(auth, token);
  }

  async #renew({ authenticator, connections }: GatewayAuth, token: string): Promise<void> {
    const { identity } = this.#client;
    const principal = await authenticator.authenticate({ type: 'bearer', text: token }).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
      throw new GatewayRefusal(error.status < 500 ? 'Authentication failed' : error.message, { code: error.code });
    });
    if (!this.#client.isOpen) return;
    // Another subject must not take over what was opened with the rights of the first one.
    if (identity.type !== 'principal' || principal.sub !== identity.sub) {
      this.#client.revoked();
      return;
    }
    connections.renew(this.#client, principal);
    this.#confirm('authenticated', { expires_at: formatExpiry(principal.expiresAt) });
  }
}

/** Runs a check, and throws its AppError as the GatewayRefusal that names the subscription. */
function refusing<T>(name: object, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'FORBIDDEN' || error.code === 'UNAUTHORIZED') throw new GatewayRefusal('Forbidden', { ...name });
    throw new GatewayRefusal(error.message, { code: error.code, ...name });
  }
}
