import { randomUUID } from 'node:crypto';
import type { Identity } from '../auth/identity.ts';
import type { RecordKey } from '../store/store.ts';
import { askHook, type CallOptions, type NamedHook, tellHook } from './call.ts';
import type { RealtimeHookName } from './exports.ts';
import type { HookContext, RoomEvent, RoomSendEvent, RouteRequestEvent } from './types.ts';

export interface RealtimeOptions extends CallOptions {
  readonly hooks: ReadonlyMap<RealtimeHookName, readonly NamedHook[]>;
  readonly context: HookContext;
}

/** Client that connects, and its transport. */
export interface Peer {
  readonly identity: Identity;
  readonly transport: string;
  /** Export name of the table whose channel it is; null for a connection that is not one to a table. */
  readonly collection: string | null;
  /** Claim with the caller's account. */
  readonly accountClaim?: string | undefined;
}

const ACCOUNT_CLAIM = 'accountId';

/** Connection hooks of an application, for every transport that keeps connections open. */
export class RealtimeHooks {
  readonly #options: RealtimeOptions;
  readonly #open = new Set<RealtimeConnection>();
  readonly #ending = new Set<Promise<void>>();

  constructor(options: RealtimeOptions) {
    this.#options = options;
  }

  /** Resolves when the connection may be opened; throws AppError when it may not. The caller has to call `closed`. */
  async connect(peer: Peer): Promise<RealtimeConnection> {
    const connection = new RealtimeConnection(this, peer);
    await this.ask('onRealtimeConnect', connection.event);
    this.#open.add(connection);
    return connection;
  }

  has(name: RealtimeHookName): boolean {
    return this.#options.hooks.has(name);
  }

  async ask(name: RealtimeHookName, event: object): Promise<void> {
    for (const hook of this.#options.hooks.get(name) ?? []) await askHook(hook, this.#complete(event), this.#options);
  }

  /** Asks before a client joins a room. Throws AppError when a hook refuses. */
  async askJoin(event: Omit<RoomEvent, keyof HookContext | 'user_id'>): Promise<void> {
    if (this.has('onRoomJoin')) await this.ask('onRoomJoin', { ...event, user_id: event.userId });
  }

  /** Asks before a message is sent to a room. Throws AppError when a hook refuses. */
  async askSend({ data, ...event }: Omit<RoomSendEvent, keyof HookContext | 'user_id'>): Promise<void> {
    if (!this.has('onRoomSend')) return;
    await this.ask('onRoomSend', { ...event, user_id: event.userId, data: structuredClone(data) });
  }

  /** Asks before a route serves a request, a stream or a socket. Throws AppError when a hook refuses. */
  async askRequest({
    method,
    path,
    params,
    query,
    headers,
    ip,
    identity,
  }: Omit<RouteRequestEvent, keyof HookContext | 'userId' | 'user_id'>): Promise<void> {
    const userId = identity.type === 'principal' ? identity.sub : null;
    const request = { method, path, params, query, headers, ip };
    await this.ask('onRouteRequest', { ...request, identity, userId, user_id: userId });
  }

  async tell(name: RealtimeHookName, event: object): Promise<void> {
    for (const hook of this.#options.hooks.get(name) ?? []) await tellHook(hook, this.#complete(event), this.#options);
  }

  /** Keeps the application open until this promise has settled. */
  track(called: Promise<void>): void {
    this.#ending.add(called);
    void called.finally(() => this.#ending.delete(called));
  }

  ended(connection: RealtimeConnection): void {
    this.#open.delete(connection);
  }

  /** Closes all connections: the server has stopped, though the end of some sockets may not have been reported yet. */
  async close(): Promise<void> {
    for (const connection of this.#open) connection.closed();
    while (this.#ending.size > 0) await Promise.all(this.#ending);
  }

  #complete(event: object): object {
    return { ...event, ...this.#options.context };
  }
}

/** Channel with an open subscription. */
export interface Subscribed {
  readonly collection: string;
  readonly id: RecordKey | null;
}

/**
 * Connection that `onRealtimeConnect` has accepted. Everything that is opened is reported as closed once, however it
 * ends.
 */
export class RealtimeConnection {
  readonly event: object;
  readonly #hooks: RealtimeHooks;
  readonly #open = new Set<Subscribed>();
  /** Queue of the hooks of one connection, which are called in order. */
  #queue: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(hooks: RealtimeHooks, { identity, transport, collection, accountClaim = ACCOUNT_CLAIM }: Peer) {
    this.#hooks = hooks;
    const isKnown = identity.type === 'principal';
    const account = isKnown ? identity.claims[accountClaim] : undefined;
    const hasAccount = typeof account === 'string' || typeof account === 'number';
    const connectionId = randomUUID();
    const userId = isKnown ? identity.sub : null;
    const accountId = hasAccount ? account : null;
    this.event = {
      connectionId,
      userId,
      accountId,
      connection_id: connectionId,
      user_id: userId,
      account_id: accountId,
      identity,
      transport,
      collection,
    };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** False when no hook is about messages. */
  get hearsMessages(): boolean {
    return this.#hooks.has('onRealtimeMessage');
  }

  /**
   * Opens a subscription. Throws AppError when a hook refuses it. Pass the result to `unsubscribe`; `closed` ends all
   * of them.
   */
  async subscribe(collection: string, id: RecordKey | null): Promise<Subscribed> {
    const subscribed = { collection, id };
    const accepted = this.#queue.then(() => this.#hooks.ask('onRealtimeSubscribe', { ...this.event, ...subscribed }));
    const opened = accepted.then(() => void this.#open.add(subscribed));
    this.#queue = opened.catch(() => {});
    await opened;
    return subscribed;
  }

  unsubscribe(subscribed: Subscribed): void {
    if (this.#open.delete(subscribed)) this.#tell('onRealtimeUnsubscribe', { ...this.event, ...subscribed });
  }

  /** Throws AppError when the message must not be handled. */
  async message(message: object, collection?: string): Promise<void> {
    const event = { ...this.event, ...(collection === undefined ? {} : { collection }) };
    await this.#hooks.ask('onRealtimeMessage', { ...event, message: structuredClone(message) });
  }

  /** Reports the connection as gone, or as not opened in the end. May be called again. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hooks.ended(this);
    // A subscription whose hook is running is opened before it is closed.
    const ended = this.#queue.then(async () => {
      for (const subscribed of this.#open) {
        await this.#hooks.tell('onRealtimeUnsubscribe', { ...this.event, ...subscribed });
      }
      this.#open.clear();
      await this.#hooks.tell('onRealtimeDisconnect', this.event);
    });
    this.#hooks.track(ended);
  }

  #tell(name: RealtimeHookName, event: object): void {
    const called = this.#queue.then(() => this.#hooks.tell(name, event));
    this.#queue = called;
    this.#hooks.track(called);
  }
}
