import { randomUUID } from 'node:crypto';
import type { Identity } from '../auth/identity.ts';
import type { RecordKey } from '../store/store.ts';
import { askHook, type CallOptions, type NamedHook, tellHook } from './call.ts';
import type { RealtimeHookName } from './exports.ts';
import type { HookContext } from './types.ts';

export interface RealtimeOptions extends CallOptions {
  readonly hooks: ReadonlyMap<RealtimeHookName, readonly NamedHook[]>;
  readonly context: HookContext;
}

/** Who connects, by which way. */
export interface Peer {
  readonly identity: Identity;
  readonly transport: string;
  /** Export name of the table whose channel it is; null for a connection that is not one to a table. */
  readonly collection: string | null;
  /** Claim of the caller that says which account he is of. */
  readonly accountClaim?: string | undefined;
}

const ACCOUNT_CLAIM = 'accountId';

/** The hooks of an application about connections, for every way in that keeps one open. */
export class RealtimeHooks {
  readonly #options: RealtimeOptions;
  readonly #open = new Set<RealtimeConnection>();
  readonly #ending = new Set<Promise<void>>();

  constructor(options: RealtimeOptions) {
    this.#options = options;
  }

  /** Resolves when the connection may be opened; throws AppError when it may not. Whoever opens it calls `closed`. */
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

  async tell(name: RealtimeHookName, event: object): Promise<void> {
    for (const hook of this.#options.hooks.get(name) ?? []) await tellHook(hook, this.#complete(event), this.#options);
  }

  /** Keeps the application open until this has been told. */
  track(told: Promise<void>): void {
    this.#ending.add(told);
    void told.finally(() => this.#ending.delete(told));
  }

  ended(connection: RealtimeConnection): void {
    this.#open.delete(connection);
  }

  /** The server has stopped: no connection goes on, though the end of its socket may not have been heard of yet. */
  async close(): Promise<void> {
    for (const connection of this.#open) connection.closed();
    while (this.#ending.size > 0) await Promise.all(this.#ending);
  }

  #complete(event: object): object {
    return { ...event, ...this.#options.context };
  }
}

/** A channel that is subscribed. */
export interface Subscribed {
  readonly collection: string;
  readonly id: RecordKey | null;
}

/** One connection that `onRealtimeConnect` has let in. Everything that is opened is told as closed once, however it ends. */
export class RealtimeConnection {
  readonly event: object;
  readonly #hooks: RealtimeHooks;
  readonly #open = new Set<Subscribed>();
  /** What is told of one connection is told in order. */
  #turn: Promise<unknown> = Promise.resolve();
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

  /** False where nobody wants to hear of messages. */
  get hearsMessages(): boolean {
    return this.#hooks.has('onRealtimeMessage');
  }

  /** Throws AppError when it is not to be. `unsubscribe` wants back what comes back; `closed` does it for all. */
  async subscribe(collection: string, id: RecordKey | null): Promise<Subscribed> {
    const subscribed = { collection, id };
    const asked = this.#turn.then(() => this.#hooks.ask('onRealtimeSubscribe', { ...this.event, ...subscribed }));
    const opened = asked.then(() => void this.#open.add(subscribed));
    this.#turn = opened.catch(() => {});
    await opened;
    return subscribed;
  }

  unsubscribe(subscribed: Subscribed): void {
    if (this.#open.delete(subscribed)) this.#tell('onRealtimeUnsubscribe', { ...this.event, ...subscribed });
  }

  /** Throws AppError when the message is not to be handled. */
  async message(message: object, collection?: string): Promise<void> {
    const event = { ...this.event, ...(collection === undefined ? {} : { collection }) };
    await this.#hooks.ask('onRealtimeMessage', { ...event, message: structuredClone(message) });
  }

  /** The connection is gone, or was not opened in the end. May be called again. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hooks.ended(this);
    // A subscription that is being asked about is opened before it is closed.
    const ended = this.#turn.then(async () => {
      for (const subscribed of this.#open) {
        await this.#hooks.tell('onRealtimeUnsubscribe', { ...this.event, ...subscribed });
      }
      this.#open.clear();
      await this.#hooks.tell('onRealtimeDisconnect', this.event);
    });
    this.#hooks.track(ended);
  }

  #tell(name: RealtimeHookName, event: object): void {
    const told = this.#turn.then(() => this.#hooks.tell(name, event));
    this.#turn = told;
    this.#hooks.track(told);
  }
}
